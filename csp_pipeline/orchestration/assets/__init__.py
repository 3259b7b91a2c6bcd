"""One module per group of the asset graph; each asset reads, calls a step, and says what it wrote."""
