"""The version is the one that is installed."""

from importlib.metadata import version

from gateway.version import own_version


def test_it_is_what_pip_knows() -> None:
    assert version("ppai") == own_version()
