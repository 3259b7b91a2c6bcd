"""Where bytes and rows are kept: the folders under CSP_HOME, landing, staging, the ledger, DuckDB, publishing."""
