"""Who is let in, by what the headers say alone; the app's own tests hold what a caller is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.client.api_keys import ApiKeys
from gateway.client.entrance.callers import Callers, Entrance
from gateway.wire.errors import InvalidRequest


@dataclass
class Asking:
    """A request whose head came."""

    headers: Mapping[str, str]
    version: str = "1.1"
    method: str = "POST"
    path: str = "/v1/completions"
    head: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(kept=None))


def entrance(tmp_path: Path, callers: Callers | None = None) -> tuple[Entrance, ApiKeys]:
    keys = ApiKeys(tmp_path / "keys.json")
    callers = callers or Callers("127.0.0.1", ("box.example.org",), ("https://chat.example.org",), is_open=False)
    return Entrance(callers, keys, lambda token: token == "owners"), keys


@pytest.mark.parametrize(
    "headers, version, status",
    [
        ({"host": "box.example.org"}, "1.1", None), ({"host": "127.0.0.1:8470"}, "1.1", None), ({}, "1.0", None),
        ({"host": "rebound.example.org"}, "1.1", 403), ({}, "1.1", 403),
    ],
)  # fmt: skip
def test_a_host_that_is_not_ours_is_refused(
    headers: dict[str, str], version: str, status: int | None, tmp_path: Path
) -> None:
    made, _ = entrance(tmp_path)
    call = made.call(Asking(headers, version))

    assert status == _refused(lambda: made.check_host(call, headers))


def test_a_head_says_what_is_asked_and_is_read_once(tmp_path: Path) -> None:
    made, _ = entrance(tmp_path)
    said = {"authorization": "Bearer k", "content-encoding": "gzip", "x-request-id": "r" * 201, "x-ppai-route": "ben"}
    asking = Asking({"host": "localhost", **said})

    call = made.call(asking)

    assert (True, "completions", False, "k", "gzip", "r" * 200) == call[:6]
    assert "r" * 200 == call.request_id and call.wishes is not None and "ben" == call.wishes.pin and not call.is_plain
    assert call is asking.head.kept is made.call(asking)
    assert None is made.call(Asking({"host": "localhost"}, method="GET")).generates


def test_a_request_without_a_name_is_given_another_each_time_and_wishes_that_mean_nothing_are_none(
    tmp_path: Path,
) -> None:
    made, _ = entrance(tmp_path)

    call = made.call(Asking({"host": "localhost", "x-ppai-rout": "ben"}))

    assert call.request_id != call.request_id and call.wishes is None


@pytest.mark.parametrize("origin, status", [("https://chat.example.org", None), ("https://elsewhere.example", 403)])
def test_a_page_of_another_site_is_refused(origin: str, status: int | None, tmp_path: Path) -> None:
    made, _ = entrance(tmp_path)

    assert status == _refused(lambda: made.check_origin({"host": "127.0.0.1", "origin": origin}))


def test_where_there_are_keys_one_of_them_is_asked_for_or_the_owners_token(tmp_path: Path) -> None:
    made, keys = entrance(tmp_path)
    assert "" == made.check_key("")

    key = keys.add("phone")

    assert "phone" == made.check_key(key)
    assert "" == made.check_key("owners")
    assert 401 == _refused(lambda: made.check_key("sk-ppai-else"))
    assert 401 == _refused(lambda: made.check_key(""))


def test_a_file_of_keys_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    made, _ = entrance(tmp_path)
    (tmp_path / "keys.json").write_text("{")
    (tmp_path / "keys.json").chmod(0o600)

    assert 503 == _refused(lambda: made.check_key(""))


def _refused(check: Callable[[], object]) -> int | None:
    try:
        check()
    except InvalidRequest as error:
        return error.status
    return None
