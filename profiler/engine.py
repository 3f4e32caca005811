"""Speaks with an OpenAI-compatible server, which measure.py asks questions. Knows nothing of questions.

Its HTTP client is loaded when something is asked: a peer, which asks its engines in another way, needs the rest alone.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp

BODY_LIMIT = 4 * 2**20  # bytes of one answer: all that grading reads, every character escaped, and thoughts

_SOURCES = re.compile(r"\n\n(?:Sources?: [^\n]*|Not from this agent's documents\.)\Z")  # gateway/agent/citing.py
_USER_IN_URL = re.compile(r"//[^/\s]*@")


class EngineError(RuntimeError):
    """The engine does not answer as an OpenAI server does; the message says what it does, without URLs' passwords."""

    def __init__(self, message: str, may_pass: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(_USER_IN_URL.sub("//", message))
        self.may_pass = may_pass  # whether asking again can help
        self.retry_after_s = retry_after_s  # s that the engine asked to wait; 0: it did not say


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine to ask, and the model."""

    url: str  # with or without /v1
    model: str
    headers: Mapping[str, str] = field(default_factory=dict)
    make: str = ""  # what is known of the model besides its name (answers.py)

    @property
    def v1(self) -> str:
        """Base of the OpenAI endpoints."""
        return self.url.rstrip("/").removesuffix("/v1") + "/v1"


async def first_model(url: str, headers: Mapping[str, str]) -> str:
    """The first model that the engine lists. Raises EngineError."""
    async with open_session(10.0, headers) as session:
        listed = await request_json(session, "GET", f"{Engine(url, '').v1}/models")
    try:
        model = str(listed["data"][0]["id"])
    except (KeyError, IndexError, TypeError) as error:
        raise EngineError(f"{url} lists no model; name one with --model") from error
    if not model.isprintable():
        raise EngineError(f"{url} lists a model whose name cannot be printed: {model!r}; name one with --model")
    return model


def content_of(reply: Any, url: str) -> str:
    """The text of a chat completion. Raises EngineError when `reply` is not one.

    The last line in which a personal agent says its sources is left out: it is no part of what it answers.
    """
    try:
        content = reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        content = 0
    if content is None:  # a reasoning model may spend all its tokens on thought
        return ""
    if not isinstance(content, str):
        raise EngineError(f"{url} answered something that is no chat completion: {json.dumps(reply)[:200]}")
    return _SOURCES.sub("", content) if "ppai" in reply else content


def ran_out(reply: Any) -> bool:
    """Whether a chat completion ended for its length before it said a word: a reasoning model thinks first."""
    try:
        choice = reply["choices"][0]
        text, reason = choice["message"]["content"] or "", choice["finish_reason"]
    except (KeyError, IndexError, TypeError):
        return False
    is_thought = isinstance(text, str) and (not text.strip() or ("<think>" in text and "</think>" not in text))
    return bool(reason == "length" and is_thought)


async def request_json(
    session: "aiohttp.ClientSession", method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Any:
    """The JSON that the server answers with 200. Raises EngineError for everything else, and above BODY_LIMIT."""
    import aiohttp

    try:
        async with session.request(method, url, json=body, headers=headers, allow_redirects=False) as response:
            content = await _read(response, url)
            retry_after = response.headers.get("retry-after", "")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise EngineError(f"no answer from {url}: {error or 'timeout'}") from error
    text = content.decode("utf-8", "replace")
    if response.status != 200:
        may_pass = response.status in (408, 429) or response.status >= 500
        wait_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
        raise EngineError(f"{url} answered {response.status}: {text[:200]!r}", may_pass, wait_s)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{url} answered something that is not JSON: {text[:200]!r}") from error


async def _read(response: "aiohttp.ClientResponse", url: str) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > BODY_LIMIT:
            raise EngineError(f"{url} answered more than {BODY_LIMIT >> 20} MiB", may_pass=False)
    return bytes(content)


def open_session(timeout_s: float, headers: Mapping[str, str]) -> "aiohttp.ClientSession":
    """A session with these headers and this time limit for each request. It uses no proxy of the environment."""
    import aiohttp

    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s), headers=dict(headers), trust_env=False)
