"""What an agent's documents cost to be indexed and searched, and how well questions find them."""
