"""What is said of who did not answer."""

import pytest

from gateway.upstream import RETRYABLE, UpstreamError


def test_an_error_says_what_the_client_is_told_if_nobody_else_answers() -> None:
    error = UpstreamError("it left", status=503, code="peer_left", retry_after_s=2.0)

    assert ("it left", 503, "peer_left", 2.0) == (error.message, error.status, error.code, error.retry_after_s)
    assert (502, "upstream_error", None) == ((bare := UpstreamError("no")).status, bare.code, bare.retry_after_s)


def test_nobody_is_blamed_for_a_request_unless_the_engine_answered_it() -> None:
    assert not UpstreamError("unreachable").by_engine
    assert UpstreamError("out of memory", status=500, by_engine=True).by_engine


@pytest.mark.parametrize("status", [200, 204, 301, 400, 413, 422])
def test_an_answer_or_the_clients_own_mistake_is_not_asked_of_another(status: int) -> None:
    assert status not in RETRYABLE


@pytest.mark.parametrize("status", [404, 429, 500, 503, 529])
def test_what_another_may_do_better_is(status: int) -> None:
    assert status in RETRYABLE
