"""The benchmarks room: the simulator and the measuring commands; not part of the wheel."""
