"""The gateway room: one OpenAI-compatible endpoint in front of one's own engine and everybody else's."""
