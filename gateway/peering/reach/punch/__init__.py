"""Direct ways through the NATs of two peers that meet at a relay: QUIC by iroh (the extra `punch`)."""
