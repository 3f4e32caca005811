"""What protocol tests are made of: the virtual network of `benchmarks.gossip`, its made-up ids, records and keys."""

from benchmarks.gossip.cluster import (
    NET,
    Cluster,
    Node,
    card_of,
    fake_sign,
    fake_verify,
    id_of,
    pulse_of,
    signed,
)

__all__ = ["NET", "Cluster", "Node", "card_of", "fake_sign", "fake_verify", "id_of", "pulse_of", "signed"]
