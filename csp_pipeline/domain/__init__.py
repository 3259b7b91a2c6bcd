"""The rules, pure: nothing here reads a file, a clock or a database; only the standard library and polars are imported."""
