"""Commands about this installation: the service that starts a peer, completion of words in shells, upgrades."""
