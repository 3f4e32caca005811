"""What a gateway costs: a mock engine asked directly and through gateways, in turns, in one run."""
