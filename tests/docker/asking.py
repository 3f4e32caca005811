"""Questions to the peers in containers, from the host, as programs and people ask them."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

URL = "http://127.0.0.1:8470"


def get(path: str, url: str = URL) -> tuple[int, Any]:
    """(status, JSON); 0 where nobody listens."""
    return _asked(urllib.request.Request(url + path))


def chat(url: str = URL, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """(status, JSON, headers) of one short question; 0 where nobody listens."""
    body = {"model": "auto", "max_tokens": 12, "messages": [{"role": "user", "content": "Name a prime above 90."}]}
    named = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), named)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response), {key.lower(): value for key, value in response.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), {}
    except OSError:
        return 0, None, {}


def wait(condition: Callable[[], bool], what: str, timeout_s: float = 120.0) -> float:
    """Poll; how long it took, in seconds. Fails when time is up."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(0.1)
    return time.monotonic() - began


def _asked(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, None
