"""What Prometheus scrapes: /metrics, and the state of the peer in it."""
