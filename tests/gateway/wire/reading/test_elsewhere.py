"""What another process read of a request is not read again; what else is asked of it is as it would have been."""

import json
from operator import attrgetter

import msgspec
import pytest

from gateway.privacy.fields import may_travel
from gateway.wire.reading.elsewhere import Asks, Elsewhere, to_tell
from gateway.wire.request import Request, encode_request, read_request
from gateway.wire.tokens import asking_for_usage
from tests.gateway.wire.test_request import decoding

TOLD = (*Asks.__struct_fields__, "text", "earlier", "setting", "tools", "unknown", "demands", "content.size_bytes")
TURNS = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
TOOLS = [{"type": "function", "function": {"name": "look"}}]
BODIES = {
    "chat/completions": {"messages": TURNS, "tools": TOOLS, "model": "m", "temperature": 2, "stream": True},
    "completions": {"prompt": ["hi", "ho"], "n": 3, "max_tokens": 9, "best_of": 4},
    "embeddings": {"input": "hi", "model": "m", "user": 7},
    "messages": {"messages": TURNS[1:2], "max_tokens": 9, "models": ["a", "b"]},
}


@pytest.mark.parametrize("endpoint", BODIES)
def test_what_another_process_read_is_read_when_somebody_asks_for_more(endpoint: str) -> None:
    raw = json.dumps(BODIES[endpoint]).encode()
    here = asking_for_usage(read_request(endpoint, raw, "s"))
    told = msgspec.msgpack.encode(Elsewhere(to_tell(read_request(endpoint, raw, "s")), 0.5))
    made = list[Request]()

    def pass_on() -> None:
        made.append(asking_for_usage(msgspec.msgpack.decode(told, type=Elsewhere).request(raw)))
        assert encode_request(here, here.model) == encode_request(made[0], here.model)

    assert 0 == decoding(pass_on)
    for name in TOLD:
        assert attrgetter(name)(here) == attrgetter(name)(made[0]), name
    assert here.prompt.longer(5).tokens == made[0].prompt.longer(5).tokens
    assert encode_request(here, "n") == encode_request(made[0], "n")
    assert may_travel(here, trusted=True) == may_travel(made[0], trusted=True)
