"""The image: small, for no root, and with everything in it that a start needs."""

import json

from tests.docker.engine import BASE, Engine

LIMIT_BYTES = 550e6  # of our layers, without the base


def test_our_layers_are_small(engine: Engine) -> None:
    sizes = {name: json.loads(engine.docker("image", "inspect", name))[0]["Size"] for name in ("ppai", BASE)}

    ours = sizes["ppai"] - sizes[BASE]
    print(f"layers: {ours / 1e6:.0f} MB of ours on {sizes[BASE] / 1e6:.0f} MB")
    assert 200e6 < ours <= LIMIT_BYTES


def test_it_runs_as_nobody_and_holds_no_settings_of_who_built_it(engine: Engine) -> None:
    config = json.loads(engine.docker("image", "inspect", "ppai"))[0]["Config"]

    assert ("10001:10001", ["ppai"], ["serve"]) == (config["User"], config["Entrypoint"], config["Cmd"])
    assert not [setting for setting in config["Env"] if "SECRET" in setting or "TOKEN" in setting]
    assert "ppai 0." in engine.docker("run", "--rm", "--network", "none", "ppai", "--version")


def test_a_container_without_a_network_is_ready_for_everything_but_others(engine: Engine) -> None:
    """Weights, encoder and their graph are there: nothing is fetched or made at a start, on a read-only file system."""
    checks = json.loads(
        engine.docker(
            "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--entrypoint", "sh", "ppai", "-c",
            "ppai doctor --json || true",
        )
    )  # fmt: skip

    found = {check["id"]: check["ok"] for check in checks}
    assert (True, True) == (found["weights-encoder"], found["weights-smollm2"])
