"""The client's I/O for threads."""
