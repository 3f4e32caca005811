"""llama.cpp as a router, many models behind one address, and as the server of our embedded engine.

As an engine of one model it is in families.py.
"""
