"""How much gossip a peer sends and hears, in messages and their bytes, without those of HTTP and TLS."""

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Since the peer began. An answer without content is no message."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0
    relayed_bytes: int = 0  # of both: that a relay put through

    def out(self, message: bytes, *, is_relayed: bool = False) -> None:
        """One was sent."""
        if message:
            self.sent += 1
            self.sent_bytes += len(message)
            self.relayed_bytes += len(message) * is_relayed

    def came(self, message: bytes, *, is_relayed: bool = False) -> None:
        """One was received."""
        if message:
            self.received += 1
            self.received_bytes += len(message)
            self.relayed_bytes += len(message) * is_relayed
