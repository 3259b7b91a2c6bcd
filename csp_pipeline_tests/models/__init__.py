"""Tests of the SQL models, on a real DuckDB with staged rows written in Python."""
