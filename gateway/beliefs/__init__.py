"""How busy and how fast each peer is believed to be."""
