"""What is written of requests."""
