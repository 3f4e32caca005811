"""llama.cpp as a router: many models behind one address. As an engine of one model it is in families.py."""
