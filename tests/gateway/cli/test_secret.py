"""ppai secret: a new secret for those who are to go on, and who knows the one of now."""

import json

import pytest

from gateway.cli.secret import secret_holders, secret_new
from gateway.config import ConfigError
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer

BEN = {"peer": "bb2b2" + "b" * 47, "name": "ben"}
NETWORK = {"admission": "secret", "holders": [BEN], "new_ids_wait": False}


def test_a_new_secret_takes_the_place_of_the_old_one_which_is_kept_aside(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_private("secret", b"the old one")

    secret_new(home=home.path)

    out, err = capsys.readouterr()
    made = home.secret_file.read_text().strip()
    assert (32, 0o600) == (len(made), home.secret_file.stat().st_mode & 0o777)
    assert b"the old one" == (home.path / "secret.before").read_bytes()
    assert made not in out + err
    assert ["next start", "ppai invite --secret", "ppai join --secret"] == [
        words for words in ("next start", "ppai invite --secret", "ppai join --secret") if words in err
    ]


def test_a_secret_that_is_named_elsewhere_counts_instead_and_is_told(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPAI_SECRET", "9f1c6b0e4d7a23588e5bd0c1f76a2943")

    secret_new(home=home.path)

    assert "counts instead" in capsys.readouterr().err


def test_a_mistake_in_the_settings_is_told_before_the_secret_is_gone(home: Home) -> None:
    home.write_private("secret", b"the old one")
    home.write_private("config.yaml", b"nmae: ada")

    with pytest.raises(ConfigError):
        secret_new(home=home.path)

    assert b"the old one" == home.secret_file.read_bytes()


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (NETWORK, ""),
        ({**NETWORK, "holders": [{**BEN, "name": None}]}, ""),
        ({**NETWORK, "holders": []}, "nobody has shown it yet"),
        ({**NETWORK, "new_ids_wait": True}, "until `ppai secret new`"),
        ({**NETWORK, "admission": "tofu", "holders": []}, "asks for no secret"),
    ],
)
def test_holders_are_listed_with_their_ids(
    home: Home, peer: Peer, network: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/status"] = {"network": network}

    secret_holders(home=home.path)
    out, err = capsys.readouterr()
    secret_holders(home=home.path, as_json=True)

    assert words in err and bool(words) == bool(err)
    assert bool(network["holders"]) == (BEN["peer"] in out)
    assert {key: network[key] for key in ("holders", "new_ids_wait")} == json.loads(capsys.readouterr().out)
