"""Routing quality on recorded outcomes: `python -m benchmarks.routing --help`."""
