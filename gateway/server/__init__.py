"""What both listeners share: the edge of ASGI, which callers are let in, sockets and the servers behind them.

Knows no path and no page: those are client's and peering's.
"""
