"""What the peers are told that are measured."""

from benchmarks.gateway.targets import PAIR_ENVIRONMENT
from gateway.config import load_config


def test_an_answering_peer_lets_the_asking_one_have_all_that_it_asks_for() -> None:
    """A name that means nothing is no error, and the driver would be refused after some thousand requests."""
    admission = load_config(None, PAIR_ENVIRONMENT, {}).admission

    assert (0, 0) == (admission.peer_requests_per_s, admission.peer_tokens_per_s)
