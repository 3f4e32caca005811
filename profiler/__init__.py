"""The profiler room: what a query is about (QAGate) and what an agent is good at (capability vectors)."""
