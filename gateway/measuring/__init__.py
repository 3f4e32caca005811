"""What our own agents were measured to be good at."""
