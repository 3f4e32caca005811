"""How much of our engine others get."""
