"""What a build fetches is held to what was tested: pinned, with the sha256 of each file, wherever pip is called."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
HASHED = ("constraints.txt", "constraints-build.txt", "constraints-dev.txt")
PIN = re.compile(r"[A-Za-z0-9._-]+==\S+")


def lines(name: str) -> list[str]:
    """The file's lines without comments, a continued one as one."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(name: str) -> dict[str, Requirement]:
    """What the file pins, on every platform, by package."""
    found = [Requirement(line.partition("--hash")[0].strip()) for line in lines(name)]
    assert len(found) == len({canonicalize_name(pin.name) for pin in found})
    return {canonicalize_name(pin.name): pin for pin in found}


def applies(one: Requirement) -> bool:
    return one.marker is None or one.marker.evaluate({"extra": ""})


@pytest.mark.parametrize("name", HASHED)
def test_every_package_is_pinned_with_a_hash(name: str) -> None:
    for line in lines(name):
        assert PIN.match(line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}(\s|$)", line), line


def test_no_package_has_two_versions() -> None:
    versions: dict[str, str] = {}
    for name in (*HASHED, "constraints-train.txt"):
        for package, pin in pins(name).items():
            assert str(pin.specifier) == versions.setdefault(package, str(pin.specifier)), package


def test_every_dependency_is_pinned_where_it_is_installed_from() -> None:
    """On the platform of this test: a pin for another one does not count."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]

    def missing(wanted: list[str], *files: str) -> set[str]:
        pinned = {package for file in files for package, pin in pins(file).items() if applies(pin)}
        return {canonicalize_name(one.name) for one in map(Requirement, wanted) if applies(one)} - pinned

    assert set() == missing(project["project"]["dependencies"], "constraints.txt")
    assert set() == missing(project["build-system"]["requires"], "constraints-build.txt")
    assert set() == missing(
        [*extras["test"], *extras["dev"], *extras["bench"], *extras["agents"], *extras["otel"], *extras["docs"]],
        *HASHED,
    )
    assert set() == missing(
        [*extras["train"], *extras["litellm"], *extras["multilingual"], *extras["browser"], *extras["punch"]],
        "constraints-train.txt",
    )


def commands(name: str) -> list[str]:
    text = re.sub(r"\\\n|^\s*#.*$", " ", (ROOT / name).read_text(encoding="utf-8"), flags=re.M)
    return [part for line in text.splitlines() for part in line.split("&&")]


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile", "README.md"])
def test_pip_is_given_hashes_or_fetches_nothing(name: str) -> None:
    """But for the packages of training, whose builds differ under one version."""
    calls = [one for one in commands(name) if re.search(r"pip (install|wheel)|\$\(PIP\) -", one) and "PIP =" not in one]

    assert calls
    for call in calls:
        fetches_nothing = "--no-deps" in call and "-r " not in call
        assert fetches_nothing or "--require-hashes" in call or "train" in call, call


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile", *HASHED, "constraints-train.txt", "pyproject.toml"])
def test_no_file_names_a_registry(name: str) -> None:
    """Where packages come from is the machine's setting; what they must be is ours."""
    assert not re.search(r"index-url|find-links|https?://(?!github\.com)", (ROOT / name).read_text(encoding="utf-8"))
