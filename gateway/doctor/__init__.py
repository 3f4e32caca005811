"""What is wrong with a peer, its machine and its network: checks with stable ids.

A check is a function that returns findings. It changes nothing, needs no running peer where it can do without, and says
what it could not tell. `ppai doctor` prints them; a page may show the same.
"""
