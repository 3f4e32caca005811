"""Questions of everyday life, which an agent's documents do not answer: what its threshold is calibrated on."""

import json

from profiler.qagate import shipped_gate

ASKED = 200


def everyday() -> list[str]:
    """ASKED of those that come with the gate, of all its subjects; the same at every call."""
    lines = (shipped_gate() / "everyday.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["query"][:500] for line in lines[:: max(1, len(lines) // ASKED)]][:ASKED]
