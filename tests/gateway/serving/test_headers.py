"""What a request's headers ask of PPAI."""

import pytest

from gateway.serving.headers import KNOWN, read_headers
from gateway.wire.errors import InvalidRequest


def test_who_asks_for_nothing_is_routed_anywhere() -> None:
    wishes = read_headers({})

    assert (None, None, None) == (wishes.session, wishes.pin, wishes.beta_per_s)
    assert (False, False, {}) == (wishes.stays_here, wishes.is_retry, wishes.passed)


def test_those_of_an_sdk_are_not_looked_through_one_by_one() -> None:
    """What an ordinary request wishes is one value, whatever stands in its headers."""
    sent = {"host": "127.0.0.1:8470", "user-agent": "OpenAI/Python", "x-stainless-retry-count": "0"}

    assert read_headers({}) is read_headers(sent)
    assert read_headers({"x-stainless-retry-count": "2"}) is read_headers({**sent, "x-stainless-retry-count": "1"})


@pytest.mark.parametrize(("route", "pin"), [("auto", None), ("local", "local"), ("ben", "ben")])
def test_a_route_names_who_is_to_answer(route: str, pin: str | None) -> None:
    assert pin == read_headers({"x-ppai-route": route}).pin


@pytest.mark.parametrize("name", ["x-ppai-local-only", "x-ppai-local"])
@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ("1", True),
        ("yes", True),
        ("false", True),
        ("", True),
        ("0", False),
        ("0, 0", False),
        ("1, 0", True),
        ("0,1", True),
    ],
)
def test_any_mark_but_0_keeps_a_request_here_and_the_strictest_counts(name: str, value: str, stays: bool) -> None:
    """An empty one is a variable that was not set; repeated ones are joined by whoever passes the request on."""
    assert stays is read_headers({name: value}).stays_here


def test_of_both_spellings_of_the_mark_the_strictest_counts() -> None:
    assert read_headers({"x-ppai-local-only": "0", "x-ppai-local": "1"}).stays_here


@pytest.mark.parametrize(
    ("route", "pin"),
    [("auto, local", "local"), ("local,auto", "local"), ("ben, local", "local"), ("auto, ben", "ben"),
     ("ben, ben", "ben"), ("ada, ben", "ada, ben"), ("auto, auto", None)],
)  # fmt: skip
def test_of_several_routes_the_strictest_counts(route: str, pin: str | None) -> None:
    """Two peers are the name of none, so nobody is asked."""
    assert pin == read_headers({"x-ppai-route": route}).pin


@pytest.mark.parametrize(
    "name", ["x-ppai-localonly", "x-ppai-local_only", "x_ppai_local_only", "ppai-local-only", "x-ppai-peer", "x-ppai"]
)
def test_a_header_that_means_to_be_ours_and_is_not_known_is_refused_naming_those_that_are(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_headers({name: "1"})

    assert (400, name, "unknown_header") == (refused.value.status, refused.value.param, refused.value.code)
    assert all(known in refused.value.message for known in KNOWN)


def test_headers_of_others_are_none_of_ours() -> None:
    assert not read_headers({"x-forwarded-for": "1", "user-agent": "ppai-agent", "my-ppai": "1"}).stays_here


def test_our_own_name_of_a_conversation_goes_first_and_an_empty_one_is_none() -> None:
    named = {"x-claude-code-session-id": "c", "x-conversation-id": "b", "x-session-id": "a"}

    assert "a" == read_headers(named).session
    assert 128 > len(read_headers({"x-session-id": "x" * 60_000}).session or "")
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


@pytest.mark.parametrize(("value", "may"), [(None, True), ("1", True), ("0", False), ("1, 0", False), ("", True)])
def test_only_0_forbids_that_a_broken_answer_goes_on_elsewhere(value: str | None, may: bool) -> None:
    assert may is read_headers({} if value is None else {"x-ppai-continue": value}).may_continue


@pytest.mark.parametrize(("value", "expected"), [(None, False), ("0", False), ("1", True), ("0, 1", True), ("", True)])
def test_whoever_asks_as_another_peer_gets_what_that_peer_would(value: str | None, expected: bool) -> None:
    assert expected is read_headers({} if value is None else {"x-ppai-as-peer": value}).as_peer
