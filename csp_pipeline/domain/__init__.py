"""The rules, pure: no file, no clock, no database; only the standard library and polars are imported."""
