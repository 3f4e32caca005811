"""Bytes to values and back, with no opinion: one parse of a request, error bodies, events, token counts."""
