"""What an owner wrote to measure a personal agent by, and what it found."""
