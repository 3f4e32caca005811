"""The last five minutes of each peer's load."""

from gateway.client.page.loads import EVERY_S, SAMPLES, Loads


def test_a_sample_is_taken_when_one_is_due_and_the_oldest_goes() -> None:
    """Peers are walked for it, and for nothing else."""
    loads, reads = Loads(), 0

    def read() -> dict[str, tuple[int, int] | None]:
        nonlocal reads
        reads += 1
        return {"ben": (number, 0)}

    for number in range(2 * (SAMPLES + 3)):
        loads.look(number * EVERY_S / 2, read)

    assert SAMPLES + 3 == reads
    assert [(2 * n, 0) for n in range(3, SAMPLES + 3)] == loads.past()["ben"]


def test_whoever_is_gone_is_forgotten_and_whoever_comes_begins_anew() -> None:
    loads = Loads()
    loads.look(0.0, lambda: {"ben": (1, 0), "cleo": None})
    loads.look(EVERY_S, lambda: {"cleo": (2, 1)})

    assert {"cleo": [None, (2, 1)]} == loads.past()
