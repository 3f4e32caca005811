"""What the person at this machine is doing, as far as it tells: hands, screen, graphics card.

One file reads each of them, in the ways of the systems that tell it. Where none does it is None: not told, by which
nobody is kept out. What follows from it is for capacity/rules.py to say.
"""
