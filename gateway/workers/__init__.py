"""Several processes for one peer: workers read HTTP and pass answers on, and the owner process decides everything.

A worker holds connections of programs and to engines, and knows no rule. Each request that it reads it hands to its
owner, where the same app answers it as if it had come there. What is worth a process of its own comes back: to ask an
engine of ours for it, and to pass the answer on word by word (docs/decisions.md#workers).
"""
