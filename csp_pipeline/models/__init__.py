"""The warehouse: `<schema>.toml` declares its tables and columns, `<schema>/<table>.sql` says how each is filled.

A TOML file is the single source of a schema's data dictionary, its DDL and the column metadata shown in Dagster.
A SQL file holds one SELECT; `macros.sql` holds the exact arithmetic that they share.
"""
