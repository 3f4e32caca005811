"""What of the adapters needs no litellm; tests/e2e/test_litellm.py and tests/e2e/clients run the real ones."""

from importlib.util import find_spec

import pytest

from gateway.serving.litellm_adapters import Adapters, _plain
from gateway.upstream import UpstreamError


@pytest.mark.skipif(find_spec("litellm") is not None, reason="litellm is installed here")
def test_without_litellm_they_say_so_and_what_brings_them() -> None:
    assert not Adapters.are_installed()
    with pytest.raises(UpstreamError, match=r"pip install -U 'ppai\[litellm\]'"):
        Adapters().asked("messages", {"model": "m", "messages": []})


def test_a_message_keeps_what_every_peer_knows() -> None:
    """Anything else would keep the chat at our own engine, as an unknown field."""
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "thinking_blocks": None, "tool_calls": [{**call, "index": 0}]}

    assert {"role": "assistant", "content": None, "tool_calls": [call]} == _plain(said)
