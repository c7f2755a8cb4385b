"""Rows: their declared schema, how they are split, what was seen in them."""
