"""One request on its way: read, decided by routing, asked along its order, forwarded to the client, learnt from.

`dispatch` leads it, `deciding` has it read and decided, `attempts` asks one candidate after another, `forward` passes
the answer on, `recording` tells of it, `refusals` words what cannot be. Who answers is routing's decision; how an
engine or a peer is reached is engines' and peering's.
"""
