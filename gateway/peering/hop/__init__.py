"""The way from one peer to the other: how its requests are answered, and how its answers are read."""
