"""How much gossip a peer sends and hears, in messages and their bytes, without those of HTTP and TLS."""

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Since the peer began. An answer without content is no message."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0

    def out(self, message: bytes) -> None:
        """One was sent."""
        if message:
            self.sent += 1
            self.sent_bytes += len(message)

    def came(self, message: bytes) -> None:
        """One was received."""
        if message:
            self.received += 1
            self.received_bytes += len(message)
