"""What a peer needs before it serves: a home with every key explained, a secret, a configuration that holds."""

import io
from pathlib import Path

import pytest
import typer
import yaml

from discovery.admission import AdmissionError
from gateway.cli.serving import serve
from gateway.cli.setup import config_check, config_show, init, pull
from gateway.config import ConfigError
from gateway.home.folder import HomeError
from gateway.home.pull import PullError
from profiler.ladder import FAST_FOLDER
from profiler.qagate import shipped_gate
from profiler.static import StaticEncoder

STRONG = "9f1c6b0e4d7a23588e5bd0c1f76a2943"


def test_a_new_home_has_every_key_and_a_secret_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(home=tmp_path)

    secret = capsys.readouterr().out.strip()
    assert (32, secret) == (len(secret), (tmp_path / "secret").read_text().strip())
    assert {0o600} == {(tmp_path / name).stat().st_mode & 0o777 for name in ("secret", "config.yaml")}
    assert "client" in yaml.safe_load((tmp_path / "config.yaml").read_text())


@pytest.mark.parametrize("given", [STRONG, "-"])
def test_a_secret_that_is_given_is_kept_and_not_printed(
    tmp_path: Path, given: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{STRONG}\n"))

    init(home=tmp_path, secret=given)

    assert STRONG == (tmp_path / "secret").read_text().strip()
    assert "" == capsys.readouterr().out


@pytest.mark.parametrize("given", ["abc", "aaaaaaaaaaaaaaaa", "-"])
def test_a_secret_that_can_be_guessed_is_refused_and_nothing_is_written(
    tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("passwordpassword\n"))

    with pytest.raises(AdmissionError, match="can be guessed"):
        init(home=tmp_path, secret=given)

    assert [] == list(tmp_path.iterdir())


def test_what_is_there_is_replaced_only_when_told(tmp_path: Path) -> None:
    init(home=tmp_path)
    before = (tmp_path / "secret").read_text()

    with pytest.raises(HomeError, match="--force"):
        init(home=tmp_path)
    assert before == (tmp_path / "secret").read_text()

    init(home=tmp_path, force=True)
    assert before != (tmp_path / "secret").read_text()


def test_a_secret_for_a_home_that_is_there_changes_the_secret_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home=tmp_path)
    (tmp_path / "config.yaml").write_text("name: mine\n")

    init(home=tmp_path, secret=STRONG)

    assert (STRONG, "name: mine\n") == (
        (tmp_path / "secret").read_text().strip(),
        (tmp_path / "config.yaml").read_text(),
    )
    assert "strangers" in capsys.readouterr().err


def test_a_secret_that_does_not_count_is_told_with_the_key_that_hides_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text(f"network: {{secret: {STRONG[::-1]}, admission: tofu}}\n")

    init(home=tmp_path, secret=STRONG)

    said = capsys.readouterr().err
    assert ("`network.secret` is set" in said, "`network.admission` is tofu" in said) == (True, True)


def test_an_empty_secret_makes_no_other_one(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="empty"):
        init(home=tmp_path, secret="")

    assert [] == list(tmp_path.iterdir())


def test_weights_come_from_one_place(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="leave one out"):
        pull(["smollm2"], source=tmp_path, hub="a/b", home=tmp_path)


def test_what_is_shown_is_what_is_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("client: {port: 9000}")

    config_show(home=tmp_path)
    shown = yaml.safe_load(capsys.readouterr().out)
    config_check(home=tmp_path)

    assert (9000, "127.0.0.1") == (shown["client"]["port"], shown["client"]["host"])
    assert "valid" in capsys.readouterr().out


def test_a_mistake_is_told_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("client: {prot: 9000}")

    with pytest.raises(ConfigError, match=r"client\.prot.*did you mean"):
        config_check(home=tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("network: {seeds: [myhost]}", "network.seeds"),
        ("network: {secret: abc}", "16 bytes"),
        ("network: {advertise: [nonsense]}", "network.advertise"),
        ("network: {secret_file: /nonexistent}", "cannot read the secret"),
        ("routing: {gate: /nonexistent}", "nonexistent"),
        ("client: {host: 0.0.0.0}", "API key"),
        ("engine: {url: 'ftp://x'}", "engine.url"),
        ("engine: {url: 'AUTO'}", "small letters"),
        ("engine: {url: 'litellm:'}", "names no model"),
        ("engine: {url: 'http://127.0.0.1:0'}", "HOST:PORT"),
        ("engine: {url: 'http://a b:80'}", "HOST:PORT"),
        ("engine: {api_base: nonsense}", "engine.api_base"),
        ("client: {host: 'http://127.0.0.1'}", "client.host"),
        ("client: {host: '127.0.0.1:8470'}", "client.port"),
        ("peer: {host: '[::1]'}", "peer.host"),
        ("peer: {port: 8470}", "peer.port"),
        ("client: {cors_origins: [example.org]}", "client.cors_origins"),
        ("client: {allowed_hosts: ['http://x']}", "client.allowed_hosts"),
        ("network: {seeds: ['http://host:8471']}", "network.seeds"),
        ("network: {secret: ' '}", "16 bytes"),
    ],
)
def test_what_serve_refuses_config_check_refuses(tmp_path: Path, text: str, says: str) -> None:
    """And leaves the home as it is."""
    (tmp_path / "config.yaml").write_text(text)

    with pytest.raises(Exception, match=says) as refused:
        config_check(home=tmp_path)
    with pytest.raises(type(refused.value)) as at_start:
        serve(home=tmp_path)

    assert str(refused.value) == str(at_start.value)

    assert type(refused.value).__module__.split(".")[0] in ("gateway", "discovery", "profiler")
    assert ["config.yaml"] == [file.name for file in tmp_path.iterdir()]


def test_unknown_weights_are_told_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(PullError, match="there is no `gpt` to pull; there are: encoder, smollm2"):
        pull(["smollm2", "gpt"], home=tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_who_pulls_the_encoder_has_topics_compared_with_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a peer would else do while it serves."""
    monkeypatch.setattr("gateway.home.pull.pull", lambda name, weights, progress, **place: weights / name)
    monkeypatch.setattr("profiler.encoder.load_encoder", lambda folder: StaticEncoder(shipped_gate() / FAST_FOLDER))
    monkeypatch.setenv("PPAI_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()

    pull(["encoder"], home=tmp_path / "home")

    assert 1 == len(list((tmp_path / "weights" / "background").glob("*.npy")))
