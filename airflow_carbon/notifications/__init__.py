"""Messages about what a run emitted."""
