"""`python -m benchmarks.gateway.flood`: real processes flood a peer, and its owner hardly notices."""

import json

import pytest

from benchmarks.gateway.flood import KINDS, QUOTA_PER_S, main
from gateway.capacity.allowance import SITE_FACTOR, AllowanceConfig

ROUNDS, SECONDS = 2, 10
STALL_LIMIT_MS = 50
GROWTH_LIMIT_MIB = 20
CPU_LIMIT_PERCENT = 10  # of a core, beside what the owner's own questions take
SLACK = 2  # on a machine that does other work too


@pytest.mark.alone
@pytest.mark.slow
def test_floods_neither_stall_a_peer_nor_grow_it_nor_pass_its_quota(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a stall counts what the loop itself worked in it: the rest is what the system gave to attackers and others."""
    code = main(["--json", "--rounds", str(ROUNDS), "--seconds", str(SECONDS), "--nice", "5"])

    rows = {row["kind"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert (0, {"alone", *KINDS}) == (code, rows.keys())
    for kind, factor in (("one", 1.0), ("hundred", SITE_FACTOR)):
        burst_per_s = factor * QUOTA_PER_S * AllowanceConfig().burst_s / SECONDS
        assert 0 < rows[kind]["let_in_per_s"] <= factor * QUOTA_PER_S + burst_per_s + 1
    for kind in KINDS:
        assert 0 < rows[kind]["work_ms"] <= STALL_LIMIT_MS, rows
        assert rows[kind]["growth_mib"] <= GROWTH_LIMIT_MIB, rows
    assert rows["strangers"]["cpu_percent"] - rows["alone"]["cpu_percent"] <= SLACK * CPU_LIMIT_PERCENT, rows
