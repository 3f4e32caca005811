"""Keys are random, kept as hashes, and count from the moment they are made to the moment they are withdrawn."""

import hashlib
from pathlib import Path

import pytest

from gateway.client.api_keys import LOOK_S, ApiKeyError, ApiKeys, bearer_of, check_reachable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


def test_a_key_is_kept_as_its_hash_for_its_owner_alone(file: Path) -> None:
    key = ApiKeys(file).add("phone")

    assert 0o600 == file.stat().st_mode & 0o777
    assert key not in file.read_text()
    assert hashlib.sha256(key.encode()).hexdigest() in file.read_text()


def test_keys_count_and_stop_counting_without_a_restart(file: Path) -> None:
    """The first one, and that one was withdrawn, after LOOK_S at the latest; a further one at once."""
    now = [0.0]
    serving, command = ApiKeys(file, lambda: now[0]), ApiKeys(file)

    before = serving.look_up("")
    phone = command.add("phone")
    now[0] += LOOK_S
    assert "phone" == serving.name_of(phone)
    laptop = command.add("laptop")
    made = (serving.name_of(phone), serving.name_of(laptop), serving.name_of("sk-ppai-wrong"), serving.name_of(""))
    command.remove("phone")
    now[0] += LOOK_S

    assert (("", False), ("phone", "laptop", "", "")) == (before, made)
    assert ("", "laptop", ["laptop"]) == (serving.name_of(phone), serving.name_of(laptop), serving.names)


@pytest.mark.parametrize(("has_keys", "shown"), [(False, ""), (False, "none"), (True, "phone's")])
def test_requests_look_at_the_file_a_few_times_a_second(
    file: Path, monkeypatch: pytest.MonkeyPatch, has_keys: bool, shown: str
) -> None:
    """Without a key, with the one that an SDK wants where there are none, and with one that is known."""
    now, looks, stat = [0.0], list[Path](), Path.stat
    key = ApiKeys(file).add("phone") if has_keys else shown
    keys = ApiKeys(file, lambda: now[0])
    monkeypatch.setattr(Path, "stat", lambda path: (looks.append(path), stat(path))[1])

    asked = [keys.look_up(key) for _ in range(100)]
    looked = len(looks)
    ApiKeys(file).add("laptop")
    now[0] += LOOK_S

    assert (1, {("phone" if has_keys else "", has_keys)}) == (looked, {*asked})
    assert ("phone" if has_keys else "", True) == keys.look_up(key)


def test_names_are_used_once_and_must_be_known(file: Path) -> None:
    keys = ApiKeys(file)
    keys.add("phone")

    with pytest.raises(ApiKeyError, match="ppai key remove phone"):
        keys.add("phone")
    with pytest.raises(ApiKeyError, match="there are: phone"):
        keys.remove("tablet")


def test_a_damaged_file_is_an_error_and_never_an_open_door(file: Path) -> None:
    file.write_text("{oops")

    with pytest.raises(ApiKeyError, match="make new keys: ppai key add"):
        ApiKeys(file).name_of("x")


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ApiKeyError, match="--home DIR or PPAI_HOME"):
        ApiKeys(tmp_path / "none" / "api_keys.json").add("phone")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_no_key(host: str, file: Path) -> None:
    check_reachable(host, ApiKeys(file), False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "my-machine"])
def test_elsewhere_a_key_is_needed_or_said_not_to_be(host: str, file: Path) -> None:
    with pytest.raises(ApiKeyError, match="ppai key add NAME"):
        check_reachable(host, ApiKeys(file), False)
    check_reachable(host, ApiKeys(file), True)
    ApiKeys(file).add("phone")
    check_reachable(host, ApiKeys(file), False)


def test_keys_are_read_as_both_apis_send_them() -> None:
    assert ("k", "k", "", "k") == (
        bearer_of("Bearer k", ""),
        bearer_of("bearer k", "other"),
        bearer_of("Basic k", ""),
        bearer_of("", "k"),
    )


def test_one_look_tells_whose_a_key_is_and_whether_there_are_any(tmp_path: Path) -> None:
    keys = ApiKeys(tmp_path / "api_keys.json")
    before = keys.look_up("sk-ppai-wrong")
    phone = keys.add("phone")

    assert (("", False), ("phone", True), ("", True)) == (before, keys.look_up(phone), keys.look_up("sk-ppai-wrong"))
