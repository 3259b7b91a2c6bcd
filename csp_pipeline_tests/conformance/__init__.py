"""The product held against numbers that were worked out without it."""
