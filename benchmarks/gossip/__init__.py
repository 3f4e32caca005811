"""How gossip fares at scale: the production core in virtual time, and real peers on loopback."""
