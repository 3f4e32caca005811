import pytest

from discovery.identity import Identity


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """The identity of the peer that answers."""
    return Identity.load_or_create(tmp_path_factory.mktemp("peer"))
