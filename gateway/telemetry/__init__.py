"""What the peer tells its operator: Prometheus metrics, and one line a request in the route log.

It counts and writes what it is given, and decides nothing. Never prompt text, keys or signatures.
"""
