"""What an engine does not tell of itself, and shows when it is tried."""
