"""Commands about the peer that runs: end it, read its log, open its page."""
