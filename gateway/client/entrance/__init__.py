"""Who is let in on the applications' side, and what the paths mean that they ask."""
