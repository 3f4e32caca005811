"""The files of the page: read once, served with what keeps a browser from running anything else.

They hold nothing of this peer, so they are shown to whoever reaches the port: what they show is asked with a key.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "site"
PLACE = "/page/"  # below which they are served; the first of them also at `/`
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Scripts and styles of these files alone; no page frames this one; and no text of a peer becomes markup, whatever our
# scripts do with it (trusted types; a browser without them keeps the rest).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
GUARDS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-cache",  # asked for anew each time, and answered by its tag
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file; `tag` is its ETag."""

    content: bytes
    kind: str
    tag: str

    def headers(self) -> dict[str, str]:
        """Of an answer with it, and of one that says that it has not changed."""
        return {**GUARDS, "etag": self.tag}

    def is_known(self, if_none_match: str) -> bool:
        """Whether a browser that sends this has it already."""
        return self.tag in (part.strip().removeprefix("W/") for part in if_none_match.split(","))


def page_files(folder: Path = FOLDER) -> dict[str, PageFile]:
    """By path, `/` first among them."""
    found = {
        PLACE + file.name: PageFile(content, _KINDS[file.suffix], f'"{hashlib.sha256(content).hexdigest()[:20]}"')
        for file in sorted(folder.iterdir())
        if file.suffix in _KINDS and (content := file.read_bytes()) is not None
    }
    return {"/": found[PLACE + "index.html"], **found}


def is_page(path: str) -> bool:
    """Whether a path is a file of the page's, or how a page is let in: both are asked by who has no key yet."""
    return path == "/" or path.startswith(PLACE)
