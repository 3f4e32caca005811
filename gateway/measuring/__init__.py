"""What our own agents were measured to be good at: their published vectors, checked and kept over restarts.

Questions and grading are the profiler's; how the vectors reach other peers is peering's.
"""
