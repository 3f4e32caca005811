"""The applications' side."""
