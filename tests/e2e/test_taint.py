"""1,000 secrets, each in a field of a body and in one of the ways to write it: a rule keeps every one on this machine.

Two peers in their production parts. All that ada's transport is given to send is looked at, and all that ben's engine
is asked; her log lines, metrics, errors and card besides.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from discovery.records import Agent, Card
from discovery.transport import Transport
from gateway.peering.network import FEATURES
from gateway.privacy.rules import Rule
from gateway.wire.bodies import ENDPOINTS
from gateway.wire.errors import InvalidRequest
from tests.fakes import ScriptedEngine
from tests.gateway.privacy.secrets import KINDS, drawn
from tests.gateway.serving.desk import Desk, desk
from tests.gateway.serving.forwarding import Recorder

SECRETS = 1000
TO = dict(zip(KINDS, ["this machine", "my machines"] * 3, strict=True))
RULES = tuple(Rule(kind, to, patterns=(kind,)) for kind, to in TO.items())  # type: ignore[arg-type]
PLACES = 21  # for a text, in `asked`
CHAT, COMPLETIONS, EMBEDDINGS = "chat/completions", "completions", "embeddings"


def _chat(message: dict[str, Any], **fields: Any) -> tuple[str, dict[str, Any]]:
    return CHAT, {"messages": [{"role": "user", **message}], **fields}


def asked(text: str, number: int) -> tuple[str, dict[str, Any]]:
    """(endpoint, body) with the text in one of the places for it, each in turn."""
    tool = {"type": "function", "function": {"name": "f", "description": text}}
    schema = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {text: {}}}}}
    called = {"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": text})}}
    half = len(text) // 2
    places: list[tuple[str, dict[str, Any]]] = [
        _chat({"content": text}),
        _chat({"content": [{"type": "text", "text": "see:"}, {"type": "text", "text": text}]}),
        _chat({"content": [{"type": "text", "text": text[:half]}, {"type": "text", "text": text[half:]}]}),
        _chat({"content": "hi", "name": text}),
        _chat({"content": "hi"}, tools=[tool]),
        _chat({"content": "hi"}, tools=[schema]),
        _chat({"content": "hi"}, user=text),
        _chat({"content": "hi"}, metadata={"ticket": text}),
        _chat({"content": "hi"}, stop=[text[:64]] if len(text) <= 64 else ["x"], prompt_cache_key=text),
        _chat({"content": "hi"}, safety_identifier=text, stream=True),
        (CHAT, {"messages": [{"role": "system", "content": text}, {"role": "user", "content": "hi"}]}),
        (CHAT, {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [called]}]}),
        (CHAT, {"messages": [{"role": "tool", "tool_call_id": "1", "content": text}]}),
        (CHAT, {"messages": [{"role": "assistant", "reasoning_content": text, "content": "x"}]}),
        (COMPLETIONS, {"prompt": text, "stream": True}),
        (COMPLETIONS, {"prompt": ["a", text]}),
        (EMBEDDINGS, {"input": [text, "b"]}),
        ("responses", {"input": text, "store": False}),
        ("responses", {"input": "hi", "instructions": text, "store": False}),
        ("messages", {"messages": [{"role": "user", "content": "hi"}], "system": text, "max_tokens": 9}),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}], "max_tokens": 9}),
    ]  # fmt: skip
    assert len(places) == PLACES
    return places[number % PLACES]


@asynccontextmanager
async def watched(
    home: Path, sent: list[bytes], monkeypatch: pytest.MonkeyPatch, rules: tuple[Rule, ...] = RULES
) -> AsyncIterator[tuple[Desk, Any]]:
    """Ada without an engine of her own, so that all would go to ben; what her transport is given to send is kept."""
    opened = Transport.open_stream

    def open_stream(self: Transport, *args: Any, **named: Any) -> Any:
        sent.append(repr((args, named)).encode())
        return opened(self, *args, **named)

    monkeypatch.setattr(Transport, "open_stream", open_stream)
    async with ScriptedEngine().serving() as theirs, desk(home, None, theirs, rules=rules) as ada:
        card, now = ada.ben.gossip.own_card(), time.monotonic()
        assert card and isinstance(card.record, Card) and "ben" in ada.node.roster.peer_names
        ada.ben.gossip.publish(replace(card.record, features=FEATURES), now)
        ada.me.gossip.learn([ada.ben.gossip.own_card()], now)
        able = ("text", "image", "tools", "embeddings")
        ada.node.hear_details(
            ada.ben.id, [Agent("scripted-1", "scripted-1", 4096, able, untold=able, endpoints=ENDPOINTS, place="here")]
        )
        yield ada, theirs


async def test_a_thousand_secrets_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sent, said, outcomes = list[bytes](), list[bytes](), Counter[str]()
    secrets = list(drawn(SECRETS, seed=11))
    async with watched(tmp_path, sent, monkeypatch) as (ada, theirs):
        clean = await ada.ask()
        went = len(sent)
        for number, (_, _, _, written) in enumerate(secrets):
            endpoint, body = asked(written, number)
            client = Recorder()
            try:
                await ada.dispatcher.answer(endpoint, json.dumps(body).encode(), {}, client, f"r{number}")
                outcomes["kept" if "rule `privacy:" in str(client.error["message"]) else client.body.decode()] += 1
            except InvalidRequest as error:
                outcomes[f"{error.status} {error.code}"] += 1
                said.append(error.message.encode())
            said.append(client.body)
        card = ada.me.gossip.own_card()
        said += [caplog.text.encode(), repr(card).encode(), ada.telemetry.exposition()]
        ada.route_log.close()
        said.append((tmp_path / "route.jsonl").read_bytes())

    assert 200 == clean.status and went
    assert (went, 1) == (len(sent), len(theirs.asked)), outcomes
    told = b"\n".join(said)
    parts = [part for _, secret, _, written in secrets for part in (secret, written) if len(part) > 8]
    assert [] == [part for part in parts if part.encode() in told]
    assert {"kept": SECRETS} == outcomes


async def test_without_rules_every_one_of_the_places_leads_to_the_other_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked at above sees words that do leave, but for the places that never travel, as `user`."""
    sent = list[bytes]()
    async with watched(tmp_path, sent, monkeypatch, rules=()) as (ada, theirs):
        for number in range(PLACES):
            endpoint, body = asked(f"marked-{number}-x", number)
            client = Recorder()
            await ada.dispatcher.answer(endpoint, json.dumps(body).encode(), {}, client, f"r{number}")

    assert PLACES == len(sent) == len(theirs.asked)
    there = b"".join(theirs.bodies)
    absent = {number for number in range(PLACES) if f"marked-{number}-x".encode() not in there}
    assert {2, 6, 7, 9} == absent  # it is in two parts; who asks is dropped
