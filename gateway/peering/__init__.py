"""Other peers: to be asked, and asking us."""
