"""What a tool said, as a model reads it (P): text of at most 8 KiB, and a note where there was more."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.agent.fencing import harmless
from gateway.agent.material import Result

RESULT_BYTES = 8 << 10
DESCRIPTION_CHARS = 1024  # of a tool, as a model is told of it


def cut(text: str, limit_bytes: int = RESULT_BYTES) -> str:
    """The text as data, its end left out where it is longer, which is then said in its last line."""
    size = len(text.encode("utf-8", "replace"))
    if size > limit_bytes:
        kept = text.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")
        text = f"{kept}\n[cut: {size} bytes in all, the first {limit_bytes} are shown]"
    return harmless(text)


def result_of(content: Iterable[Mapping[str, Any]], structured: Any, *, is_error: bool) -> Result:
    """The result of a call to an MCP server: its texts, else its structured form; of media only that there are some."""
    texts = [text for block in content if (text := _text_of(block))]
    if not texts and structured is not None:
        texts = [json.dumps(structured, ensure_ascii=False, separators=(",", ":"))]
    return Result(cut("\n".join(texts) or "(nothing)"), is_error)


def _text_of(block: Mapping[str, Any]) -> str:
    kind = block.get("type")
    if kind == "text":
        return str(block.get("text") or "")
    if kind == "resource" and isinstance(resource := block.get("resource"), Mapping) and "text" in resource:
        return str(resource["text"])
    if kind == "resource_link":
        return f"(a link: {block.get('name') or ''} {block.get('uri') or ''})"
    return f"({kind}: it is not shown to the model)" if kind else ""
