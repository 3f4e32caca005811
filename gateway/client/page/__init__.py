"""The page at `/`: its files, how its owner enters, and what it is told as things happen."""
