"""Every file imports what the import table (tests/layers.toml) allows it, nothing else; and a pure file stays pure."""

import ast
import runpy
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("discovery", "profiler", "gateway", "benchmarks")
IMPURE = {"time", "random", "asyncio", "socket", "os", "pathlib", "datetime", "logging", "threading", "subprocess"}
HEAVY = {
    *("fastapi", "starlette", "pydantic", "uvicorn", "aiohttp", "torch", "litellm", "sentence_transformers"),
    "onnxruntime",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: a room, or a package of gateway, by its dotted name."""

    imports: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    pure: tuple[str, ...]
    loads_numpy: bool


def table() -> dict[str, Row]:
    """The table, with every import as a dotted name: "wire" is gateway.wire."""
    written = tomllib.loads((Path(__file__).parent / "layers.toml").read_text(encoding="utf-8"))
    packages = {f"gateway.{name}": row for name, row in written.pop("gateway").items()}
    return {name: _row(name, row) for name, row in {**written, **packages}.items()}


def _row(name: str, row: dict) -> Row:
    def dotted(imports: list[str]) -> tuple[str, ...]:
        return tuple(one if one.partition(".")[0] in ROOMS else f"gateway.{one}" for one in imports)

    files = {f"{name}.{file}": dotted(imports) for file, imports in row.get("files", {}).items()}
    pure = row.get("pure", [])
    stems = [m.removeprefix(f"{name}.") for m in modules_of(name) if m != name] if pure == "all" else pure
    return Row(dotted(row["imports"]), files, tuple(f"{name}.{stem}" for stem in stems), row.get("loads_numpy", False))


def path_of(module: str) -> Path:
    """The module's file; a package's is its __init__.py."""
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules_of(package: str) -> list[str]:
    """Every module of a room or a package, itself included; a module alone is its own."""
    folder = ROOT / package.replace(".", "/")
    if not folder.is_dir():
        return [package]
    paths = (path.relative_to(ROOT).with_suffix("") for path in folder.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> frozenset[str]:
    """Every module that it imports, wherever in the file: `from a import b` is a.b where that is a module, else a."""
    names: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{module} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names if is_module(f"{node.module}.{alias.name}")}
            if any(not is_module(f"{node.module}.{alias.name}") for alias in node.names):
                names.add(node.module)
    return frozenset(names)


@cache
def is_module(name: str) -> bool:
    return name.partition(".")[0] in ROOMS and path_of(name).exists()


def ours(module: str) -> set[str]:
    """What it imports of the four rooms."""
    return {name for name in imports_of(module) if name.partition(".")[0] in ROOMS}


def lies_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


TABLE = table()
PURE = sorted(module for row in TABLE.values() for module in row.pure)
WITHOUT_NUMPY = sorted(module for row in TABLE.values() if not row.loads_numpy for module in row.pure)
EVERY_MODULE = [module for room in ROOMS for module in modules_of(room)]


def package_of(module: str) -> str:
    """The row that a module belongs to. `gateway` itself, an empty package, belongs to none."""
    return next((name for name in TABLE if lies_in(module, name)), module)


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Nodes that lead back to the first of them; empty where there is no such way."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            if found := walk(following, [*way, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := walk(node, []))), [])


def names_in_the_table() -> Iterator[str]:
    for name, row in TABLE.items():
        yield from (name, *row.imports, *row.pure, *row.files)
        for imports in row.files.values():
            yield from imports


def test_the_table_names_what_exists() -> None:
    assert [] == [name for name in names_in_the_table() if not is_module(name)]


def test_every_package_has_a_row() -> None:
    assert {"gateway"} == {package_of(module) for module in EVERY_MODULE} - TABLE.keys()


@pytest.mark.parametrize("package", TABLE)
def test_a_package_imports_what_the_table_allows(package: str) -> None:
    row = TABLE[package]

    for module in modules_of(package):
        allowed = (package, *row.files.get(module, row.imports))
        forbidden = {name for name in ours(module) if not any(lies_in(name, one) for one in allowed)}
        assert set() == forbidden, f"{module} imports {', '.join(sorted(forbidden))}"


@pytest.mark.parametrize("package", TABLE)
def test_the_table_allows_no_more_than_is_used(package: str) -> None:
    """An arrow of the picture is an import that somebody makes."""
    row = TABLE[package]
    by_list = {row.imports: {m for m in modules_of(package) if m not in row.files}}
    for file, imports in row.files.items():
        by_list[imports] = {file}

    for imports, modules in by_list.items():
        used = {name for module in modules for name in ours(module)}
        assert set() == {one for one in imports if not any(lies_in(name, one) for name in used)}


def test_no_circle_among_packages() -> None:
    graph = {
        package: {package_of(name) for module in modules_of(package) for name in ours(module)} - {package}
        for package in TABLE
    }

    assert [] == circle(graph)


def test_no_circle_among_modules() -> None:
    assert [] == circle({module: ours(module) for module in EVERY_MODULE})


def test_the_search_for_circles_finds_one() -> None:
    assert ["b", "c", "b"] == circle({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()})
    assert [] == circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


@pytest.mark.parametrize("module", PURE)
def test_a_pure_file_has_no_io_clock_or_async(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports_of(module)}

    assert set() == tops & (IMPURE | HEAVY)
    assert [] == [n for n in ast.walk(tree_of(module)) if isinstance(n, ast.AsyncFunctionDef | ast.Await)]


@pytest.mark.parametrize("module", PURE)
def test_a_pure_file_imports_pure_files(module: str) -> None:
    assert set() == ours(module) - {*PURE}


def loaded_by(modules: list[str], names: set[str]) -> list[str]:
    """Which of `names` a fresh Python has loaded once it has imported `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*sorted({names!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return out.stdout.split()


def test_pure_files_load_nothing_heavy() -> None:
    assert [] == loaded_by(PURE, HEAVY)


def test_no_command_of_ppai_waits_for_what_few_of_them_need() -> None:
    """`gateway.cli` names every command; what one of them needs beyond that, it imports itself."""
    of_few = {"msgspec", "xml.etree.ElementTree", "plistlib", "urllib.request", "importlib.metadata", "discovery"}

    assert [] == loaded_by(["gateway.cli"], HEAVY | of_few | {"numpy", "rich", "asyncio"})


def test_a_peer_that_serves_does_not_load_what_no_request_needs() -> None:
    """Each of these costs megabytes or a part of the start; the first agent, page or neighbour loads its own."""
    frameworks = {"aiohttp", "fastapi", "pydantic", "torch", "litellm", "onnxruntime", "rich", "zeroconf"}
    ours = {"gateway.agent.agent", "gateway.agent.knowledge.knowledge", "gateway.doctor.examining"}

    assert [] == loaded_by(["gateway.runtime.running"], frameworks | ours)


def test_pure_files_load_numpy_only_where_the_table_says_so() -> None:
    assert [] == loaded_by(WITHOUT_NUMPY, {"numpy"})


def test_few_files_stand_beside_the_packages() -> None:
    assert len([*(ROOT / "gateway").glob("*.py")]) <= 6


@pytest.mark.parametrize("package", [name for name in TABLE if name.startswith("gateway.")])
def test_a_package_has_few_files(package: str) -> None:
    """Of one with sub-packages each is counted by itself."""
    folders = Counter(path_of(module).parent for module in modules_of(package))

    assert max(folders.values()) <= 15, folders.most_common(1)


def test_the_picture_shows_the_table() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "pictures" / "rooms.py"))

    drawn = script["picture"](script["read_table"]())

    assert drawn == script["PICTURE"].read_text(encoding="utf-8"), "run: python docs/pictures/rooms.py"
