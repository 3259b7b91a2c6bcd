"""One module per wire format: its columns, what they are called elsewhere, their units, and how a row is read."""
