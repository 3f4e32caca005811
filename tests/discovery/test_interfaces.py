"""On which addresses a listener is reached, with those of the machine that runs the test."""

from discovery.interfaces import interfaces


def test_interfaces_follow_the_listener() -> None:
    assert ("127.0.0.1",) == interfaces("127.0.0.1")
    assert all(ip == "127.0.0.1" or not ip.startswith("127.") for ip in interfaces("0.0.0.0"))
    assert interfaces("0.0.0.0")


def test_only_a_listener_on_both_families_is_announced_on_both() -> None:
    assert not any(":" in ip for ip in interfaces("0.0.0.0"))
    both = interfaces("::")

    assert set(interfaces("0.0.0.0")) <= {*both, "127.0.0.1"}
    assert list(both) == sorted(both, key=lambda ip: ":" in ip)
    assert ("fd12::1",) == interfaces("fd12::1")
