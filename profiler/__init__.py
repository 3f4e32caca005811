"""The profiler room: what a text is about (QAGate) and what an agent is good at (capability vectors)."""
