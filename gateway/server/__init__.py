"""Sockets and ASGI."""
