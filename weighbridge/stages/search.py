"""search: the points of a search side by side, as a table, a page and a picture."""
