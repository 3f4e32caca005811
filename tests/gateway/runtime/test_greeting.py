"""What a peer says of itself when it begins to serve."""

from dataclasses import replace

from gateway.config import Config
from gateway.runtime.greeting import greeting


def said(config: Config, name: str = "ada") -> str:
    return "\n".join(greeting(config, name, "http://127.0.0.1:1", ["10.0.0.1:2", "10.0.0.3:4"], "approve"))


def test_it_says_where_it_is_reached_and_by_which_rules() -> None:
    text = said(Config())

    assert "PPAI peer `ada` serves http://127.0.0.1:1/v1" in text
    assert "10.0.0.1:2, 10.0.0.3:4 (network" in text and "admission: approve" in text
    assert "unknown ones are refused" in text and "measured while nobody uses" in text
    assert "the name" not in text and "nobody can ask" not in text


def test_settings_change_what_is_said() -> None:
    config = Config()
    config = replace(
        config, routing=replace(config.routing, transparent=True), profile=replace(config.profile, auto="off")
    )

    text = said(config)

    assert "routed like `auto`" in text and "only by hand" in text


def test_a_name_that_is_cut_or_means_something_else_is_told() -> None:
    assert "the name is `ada`: at most 64 characters" in said(replace(Config(), name="ada" * 40))
    assert "nobody can ask this peer by the name `local`" in said(Config(), "local")
