"""What `ppai doctor --bundle` writes: a zip that may be posted. Pure.

Addresses, ids, names and paths are replaced by their kind. Of pages and settings go numbers, switches and a few words
that PPAI itself chose; every other text becomes `<text>`, so that a field added later gives nothing away.
"""

import io
import json
import re
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from ipaddress import ip_address
from typing import Any

from gateway.doctor.finding import Finding
from gateway.doctor.network import kind_of

# keys whose texts are words of PPAI's own, not of people
WORDS = frozenset(
    {"state", "admission", "family", "place", "load_source", "version", "kind", "quantisation", "log_level", "format",
     "mode", "rights", "abilities", "modalities", "untold"}
)  # fmt: skip
_NOT_WORDS = re.compile(r"[^A-Za-z0-9_. +-]")
_NO_NAMES = frozenset({"ppai", "none", "auto", "embedded"})  # words of PPAI's own that also are names
_V4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_V6 = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?:%\w+)?(?![\w:])")
_HOST = re.compile(r"(?<=//)[^/\s:\[\]<>]+")
_ID = re.compile(r"\b[a-z2-7]{52}\b")
_QUOTED = re.compile(r"`([^`]*)`|(?<!\w)'([^']*)'(?!\w)|\"([^\"]*)\"")
_OURS = re.compile(r"ppai(-profile)?( (--)?[a-z0-9]+| [A-Z]+)*|[A-Z]+")
_KEY = re.compile(r"([a-z_]+)(?:\.[a-z0-9_]+)+")  # of the settings, where its group is one
_PATH = re.compile(r"(?<![\w/<:])~?/[^\s:,;)]+")


def scrubbed(text: str, names: Iterable[str], groups: Collection[str]) -> str:
    """A sentence of a finding without what tells who or where: `names`, addresses, hosts, paths, ids, quoted values.

    Keys of the settings stay: `groups` are those that Config has, such as `relay` of `relay.serve`.
    """
    text = _QUOTED.sub(
        lambda found: found[0] if _is_ours(found[1] or found[2] or found[3] or "", groups) else "<value>", text
    )
    for name in sorted({*names} - _NO_NAMES - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<name>", text)
    text = _V4.sub(_kind, text)
    text = _V6.sub(_kind, text)
    text = _HOST.sub(lambda found: found[0] if found[0].startswith("<") else "<host>", text)
    return _ID.sub("<id>", _PATH.sub("<path>", text))


def _is_ours(quoted: str, groups: Collection[str]) -> bool:
    """Whether it is a command of ours, a word in capitals of its usage, or a key of the settings."""
    key = _KEY.fullmatch(quoted)
    return key[1] in groups if key else _OURS.fullmatch(quoted) is not None


def _kind(found: re.Match[str]) -> str:
    try:
        ip_address(found[0].partition("%")[0])
    except ValueError:
        return found[0]
    return f"<{kind_of(found[0])}>"


def bare(value: Any, key: str = "", *, keys_are_ours: bool = True) -> Any:
    """A page, or settings as a dataclass, without any text that people chose; shapes, numbers and switches stay.

    Keys of a page are PPAI's own; so are those of a dataclass, but not of a mapping within one.
    """
    if is_dataclass(value):
        return {
            field.name: bare(getattr(value, field.name), field.name, keys_are_ours=False) for field in fields(value)
        }
    if isinstance(value, Mapping):
        inner = [bare(one, str(name), keys_are_ours=keys_are_ours) for name, one in value.items()]
        names = map(str, value) if keys_are_ours else (f"<text {number}>" for number in range(len(inner)))
        return dict(zip(names, inner, strict=True))
    if isinstance(value, list | tuple):
        return [bare(one, key, keys_are_ours=keys_are_ours) for one in value]
    if isinstance(value, str):
        return value if not value or (key in WORDS and not _NOT_WORDS.search(value)) else "<text>"
    return value


def names_in(pages: Iterable[Any]) -> set[str]:
    """What people, machines and models are called in these pages."""
    found: set[str] = set()
    for page in pages:
        if isinstance(page, Mapping):
            found |= {
                value
                for key, value in page.items()
                if key in ("name", "id", "model", "base") and isinstance(value, str)
            }
            found |= names_in(page.values())
        elif isinstance(page, list | tuple):
            found |= names_in(page)
    return found


def files_of(
    findings: Sequence[Finding], pages: Mapping[str, Any], names: Collection[str], groups: Collection[str]
) -> dict[str, bytes]:
    """The files of a bundle, by name: the findings in words (see `scrubbed`), and each page without any."""
    found = [asdict(one) for one in findings]
    for one in found:
        one["said"], one["remedy"] = (scrubbed(one[key], names, groups) for key in ("said", "remedy"))
    files = {"findings": found, **{name: bare(page) for name, page in pages.items()}}
    return {f"{name}.json": json.dumps(page, indent=1).encode() for name, page in files.items()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
