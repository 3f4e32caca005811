"""The peer's folder: what lies where, which peer serves from it, and the weights with how they are fetched.

What the files say is not read here, but by the package that uses them. Imports nothing of gateway.
"""
