"""Multicast and firewalls of this machine."""

from pathlib import Path

import pytest

from gateway.doctor.surroundings import firewall_finding, is_container, mdns_findings


def test_an_address_that_is_no_interface_hears_nothing() -> None:
    """Our own address is heard at; the remedy for the other is a seed."""
    (heard,) = mdns_findings(["127.0.0.1"], wanted=True)
    (deaf,) = mdns_findings(["203.0.113.1"], wanted=True)

    assert (True, False) == (heard.ok, deaf.ok)
    assert "--seed" in deaf.remedy
    assert [None] == [one.ok for one in mdns_findings(["127.0.0.1"], wanted=False)]


@pytest.mark.parametrize(
    ("files", "platform", "ok", "remedy"),
    [
        ({"etc/ufw/ufw.conf": "ENABLED=yes\n"}, "linux", None, "ufw allow 8471/tcp"),
        ({"etc/ufw/ufw.conf": "ENABLED=no\n"}, "linux", True, ""),
        ({"run/firewalld/x": ""}, "linux", None, "firewall-cmd --add-port=8471/tcp"),
        ({}, "linux", True, ""),
        ({}, "win32", None, "localport=8471"),
        ({}, "darwin", None, ""),
    ],
)
def test_a_firewall_is_hinted_at(
    tmp_path: Path, files: dict[str, str], platform: str, ok: bool | None, remedy: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    found = firewall_finding(8471, root=tmp_path, platform=platform)

    assert ("firewall", ok) == (found.id, found.ok)
    assert remedy in found.remedy


def test_a_container_is_known_by_its_mark(tmp_path: Path) -> None:
    assert not is_container(tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert is_container(tmp_path)
