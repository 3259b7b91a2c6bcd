"""Claims about the made-up partner, checked on the files it writes."""
