"""One peer's folder: private, whole after a power cut, and honest about who serves from it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from discovery import peer_file
from discovery.identity import Identity
from discovery.private_files import OpenToOthers
from gateway.client.api_keys import ApiKeys
from gateway.config import load_config
from gateway.home.folder import LOCK, Home, HomeError, Running
from gateway.home.lock import held
from gateway.measuring.profiles import Profiles
from gateway.peering.network import NetworkConfig, join
from tests.gateway.stranger import UID, needs_root


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


RUNNING = Running("http://127.0.0.1:8470", os.getpid(), "token")


def test_a_home_is_its_user_s_alone(home: Home) -> None:
    home.prepare()
    home.prepare()

    assert 0o700 == home.path.stat().st_mode & 0o777
    assert [] == list(home.path.iterdir())


def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HomeError, match="--home DIR or PPAI_HOME"):
        Home(tmp_path / "file" / "home").prepare()


def test_a_private_file_is_replaced_whole(home: Home) -> None:
    """Whoever has the old one open still reads the old one; nothing is left beside it."""
    home.prepare()
    path = home.write_private("secret", b"one")
    with path.open("rb") as reader:
        home.write_private("secret", b"two")
        assert b"one" == reader.read()

    assert (b"two", 0o600) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert ["secret"] == [file.name for file in home.path.iterdir()]


def test_who_serves_is_found_until_it_retires(home: Home) -> None:
    home.prepare()
    assert None is home.running()

    with home.held():
        assert None is home.running()
        home.announce(RUNNING)
        assert RUNNING == home.running()
        assert 0o600 == (home.path / "running.json").stat().st_mode & 0o777

        home.retire()
        home.retire()
        assert None is home.running()


def test_what_a_crash_left_behind_does_not_count(home: Home) -> None:
    """Although a process of its number lives: ours. The next peer clears it away before it listens anywhere."""
    home.prepare()
    home.announce(RUNNING)

    assert None is home.running()
    with home.held():
        assert None is home.running()


def test_nobody_is_believed_to_serve_from_a_home_that_others_may_change(home: Home) -> None:
    """They could hold a lock of their own there, and listen where a crashed peer did."""
    home.prepare()
    with home.held():
        home.announce(RUNNING)
        home.path.chmod(0o777)

        with pytest.raises(OpenToOthers, match="chmod go-w"):
            home.running()


def test_one_peer_serves_from_a_home(home: Home) -> None:
    home.prepare()
    with home.held():
        with pytest.raises(HomeError, match=r"already running from .*home; stop it"), home.held():
            pass
        home.announce(RUNNING)
        with pytest.raises(HomeError, match=r"process \d+, http://127.0.0.1:8470\); stop it"), home.held():
            pass

        assert RUNNING == home.running()


def test_what_goes_wrong_while_a_home_is_held_is_not_about_its_lock(home: Home) -> None:
    home.prepare()
    with pytest.raises(OSError, match="disk full"), home.held():
        raise OSError("disk full")


@pytest.mark.parametrize("content", [b"", b"{", b'{"url":"\xff","pid":1,"token":""}', b'{"url":"x"}', b"[" * 100_000])
def test_a_damaged_file_is_nobody(home: Home, content: bytes) -> None:
    home.prepare()
    with home.held():
        (home.path / "running.json").write_bytes(content)

        assert None is home.running()


def test_weights_are_shared_between_the_homes_of_a_user(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PPAI_WEIGHTS, else our own, else the user's, else where ours would be."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PPAI_WEIGHTS", raising=False)
    found = [home.weights]
    (tmp_path / ".ppai" / "weights").mkdir(parents=True)
    found.append(home.weights)
    (home.path / "weights").mkdir(parents=True)
    found.append(home.weights)
    monkeypatch.setenv("PPAI_WEIGHTS", "~/elsewhere")
    found.append(home.weights)

    own = home.path / "weights"
    assert [own, tmp_path / ".ppai" / "weights", own, tmp_path / "elsewhere"] == found


def looked_for_while_held(home: Home) -> None:
    with held(home.path / LOCK):
        home.running()


READERS: dict[str, Callable[[Home], object]] = {
    "config.yaml": lambda home: load_config(home.config_file, {}, {}),
    "peers.json": lambda home: peer_file.load(home.path / "peers.json"),
    "api_keys.json": lambda home: ApiKeys(home.api_keys_file).names,
    "profiles.json": lambda home: Profiles(home.path / "profiles.json"),
    "running.json": lambda home: looked_for_while_held(home),
    "secret": lambda home: join(NetworkConfig(), home.path),
    "identity.key": lambda home: Identity.load_or_create(home.path),
    "tls.key": lambda home: Identity.load_or_create(home.path),
    "tls.crt": lambda home: Identity.load_or_create(home.path),
}


@pytest.mark.parametrize("name", READERS)
def test_no_file_of_the_home_is_read_that_others_may_change(home: Home, name: str) -> None:
    """Whoever may write peers.json approves himself; api_keys.json: makes himself a key. So for each of them."""
    home.prepare()
    Identity.load_or_create(home.path)
    if name not in ("identity.key", "tls.key", "tls.crt"):
        home.write_private(name, b"{}")
    (home.path / name).chmod(0o666)

    with pytest.raises(Exception, match=rf"{name} can be changed by other users .*chmod go-w"):
        READERS[name](home)


@pytest.mark.parametrize("name", ["", "route.jsonl", "weights", "weights/encoder/model.safetensors", "invented"])
def test_a_home_is_refused_while_others_may_change_anything_in_it(home: Home, name: str) -> None:
    (home.path / "weights" / "encoder").mkdir(parents=True)
    for file in ("route.jsonl", "invented", "weights/encoder/model.safetensors"):
        (home.path / file).touch()
    home.prepare()
    (home.path / name).chmod(0o777)

    with pytest.raises(OpenToOthers, match=f"chmod go-w {home.path / name}$"):
        home.prepare()


@needs_root
def test_a_link_that_another_user_laid_is_not_followed(home: Home, tmp_path: Path) -> None:
    """Left from a time when the home was open: what we log would be written into a file of our own that he chose."""
    home.prepare()
    (tmp_path / "ours").touch(mode=0o600)
    (home.path / "route.jsonl").symlink_to(tmp_path / "ours")
    home.prepare()
    os.lchown(home.path / "route.jsonl", UID, UID)

    with pytest.raises(OpenToOthers, match=r"route.jsonl belongs to nobody, .*chown -h"):
        home.prepare()


def test_a_link_to_nothing_does_not_keep_a_home_from_being_used(home: Home) -> None:
    home.prepare()
    (home.path / "old.log").symlink_to("gone")

    home.prepare()
