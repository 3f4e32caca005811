"""Which Host names and origins may call us."""

import pytest

from gateway.client.entrance.hosts import is_allowed_host, is_allowed_origin


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("localhost:8470", True),
        ("LOCALHOST:8470", True),
        ("localhost.:8470", True),
        ("127.0.0.1:8470", True),
        ("[::1]:8470", True),
        ("10.1.2.3", True),  # an address cannot be rebound
        ("host.docker.internal:8470", True),
        ("box.lan:8470", True),  # configured
        ("evil.example", False),
        ("evil.example:8470", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("evil.example#localhost", False),
        ("", False),
        (":8470", False),
        ("[::1", False),
        ("[evil]", False),
        ("2130706433", False),  # 127.0.0.1 as one number: no address to us, and no browser sends it
    ],
)
def test_host_table(host: str, allowed: bool) -> None:
    """DNS rebinding: the attacker's page reaches us under the attacker's name."""
    assert allowed == is_allowed_host(host, {"box.lan"})


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8470", True),
        ("http://box.lan:8470", True),  # our own page
        ("http://localhost:3000", True),
        ("http://localhost", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:3000", True),
        ("https://chat.example", True),  # configured
        ("https://chat.example:444", False),
        ("http://chat.example", False),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://10.0.0.9", False),
        ("http://box.lan:9999", False),
        ("null", False),
        ("file://", False),
        ("http://[::1", False),
        ("http://[evil]", False),
    ],
)
def test_origin_table(origin: str, allowed: bool) -> None:
    assert allowed == is_allowed_origin(origin, "box.lan:8470", ("https://chat.example",))


def test_a_star_allows_every_page() -> None:
    assert is_allowed_origin("https://evil.example", "localhost:8470", ("*",))
