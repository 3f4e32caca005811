"""How much of our engine others get, and who waits for it.

`rules` (P) says what share other peers may have and when they are refused; `line` (P) says who waits and who enters
next; `door` is the shell that lets requests wait, and counts what passes. How an engine is spoken to is engines'
business, and who answers a request is routing's.
"""
