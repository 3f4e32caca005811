"""Who answers a query (P): `Node` holds what one peer knows and decides; gateway, simulator and tests share it.

A query goes from `candidates` (who may) over `cost` and `utility` (what each is worth) to a policy: which peers are
probed first, and in which order all are tried. Sending requests and probes is not here: serving and peering do that.
How busy and fast a peer is believed to be comes from beliefs, how well an agent fits a query from profiler.scoring.
"""
