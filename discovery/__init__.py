"""The discovery room: which peers exist, what each says of itself, and which are alive. Knows nothing of scores."""
