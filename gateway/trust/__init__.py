"""What we and other peers gave each other, and whom to believe.

It is ours alone: nothing of it is passed on to a third peer, and nothing that a third one says changes it.
"""
