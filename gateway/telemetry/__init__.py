"""What the peer tells its operator."""
