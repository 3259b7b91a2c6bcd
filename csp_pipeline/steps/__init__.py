"""The pieces of work, one module each: read, call the rules, write. Dagster and the command call the same ones."""
