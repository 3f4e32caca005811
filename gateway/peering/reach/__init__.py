"""Whether other peers reach us, and where: what they say who dialled us back, and what of it others are told."""
