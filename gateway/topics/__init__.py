"""What a query is about."""
