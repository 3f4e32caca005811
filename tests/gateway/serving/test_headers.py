"""What a request's headers ask of PPAI."""

import pytest

from gateway.serving.headers import read_headers
from gateway.wire.errors import InvalidRequest


def test_who_asks_for_nothing_is_routed_anywhere() -> None:
    wishes = read_headers({})

    assert (None, None, None) == (wishes.session, wishes.pin, wishes.beta_per_s)
    assert (False, False, {}) == (wishes.stays_here, wishes.is_retry, wishes.passed)


@pytest.mark.parametrize(("route", "pin"), [("auto", None), ("local", "local"), ("ben", "ben")])
def test_a_route_names_who_is_to_answer(route: str, pin: str | None) -> None:
    assert pin == read_headers({"x-ppai-route": route}).pin


@pytest.mark.parametrize(("value", "stays"), [("1", True), ("yes", True), ("false", True), ("0", False), ("", False)])
def test_anything_but_nothing_and_0_keeps_a_request_here(value: str, stays: bool) -> None:
    assert stays is read_headers({"x-ppai-local-only": value}).stays_here


def test_our_own_name_of_a_conversation_goes_first_and_an_empty_one_is_none() -> None:
    named = {"x-claude-code-session-id": "c", "x-conversation-id": "b", "x-session-id": "a"}

    assert "a" == read_headers(named).session
    assert "b" == read_headers({**named, "x-session-id": ""}).session


@pytest.mark.parametrize(("count", "is_retry"), [("0", False), ("1", True), ("2", True)])
def test_an_sdk_that_tries_again_says_so(count: str, is_retry: bool) -> None:
    assert is_retry is read_headers({"x-stainless-retry-count": count}).is_retry


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e9", "much", ""])
def test_a_beta_that_is_no_rate_is_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidRequest, match="`x-ppai-beta` must be a number") as refused:
        read_headers({"x-ppai-beta": value})

    assert "x-ppai-beta" == refused.value.param


@pytest.mark.parametrize(("value", "beta_per_s"), [("0", 0.0), ("0.5", 0.5), ("1e3", 1000.0)])
def test_a_beta_weighs_seconds(value: str, beta_per_s: float) -> None:
    assert beta_per_s == read_headers({"x-ppai-beta": value}).beta_per_s


def test_only_what_an_engine_may_want_is_passed_on() -> None:
    sent = {"anthropic-version": "v", "anthropic-beta": "b", "authorization": "secret", "x-ppai-route": "local"}

    assert {"anthropic-version": "v", "anthropic-beta": "b"} == read_headers(sent).passed
