"""What a model is called and what it can do."""
