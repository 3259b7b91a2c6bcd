"""The pieces of work, one module each: read, call the rules, write. Dagster and the command line call the same functions."""
