"""The way from one peer to the other: how its answer is read."""
