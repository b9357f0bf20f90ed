"""One file per kind of data: reading it, its features, label words and metrics."""
