"""ppai ask, route, models, status: questions to the running peer."""

import sys
from typing import Annotated, Any

import typer

from gateway.cli.options import HomeOption, JsonOption, home_of, say, show, show_json
from gateway.wire.text import read_header_text


def ask(
    text: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    model: Annotated[str, typer.Option(help="A model's name, or `auto`.")] = "auto",
    route: Annotated[str | None, typer.Option(help="`local`, or the name or id of the peer that is to answer.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="At most this many tokens.")] = None,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Print words as they come.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the running peer one question."""
    from gateway.cli.own_peer import OwnPeer

    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": sys.stdin.read() if text == "-" else text}],
        "stream": True,
    }
    if max_tokens:
        body["max_tokens"] = max_tokens
    headers, events = OwnPeer(home_of(home)).stream(
        "/v1/chat/completions", body, {"x-ppai-route": route} if route else {}
    )
    words = []
    for event in events:
        for choice in event.get("choices", []):
            words.append(choice.get("delta", {}).get("content") or "")
            if stream and not as_json:
                show(words[-1], end="")
    answer = "".join(words)
    shown = {
        key.removeprefix("x-ppai-"): read_header_text(value)
        for key, value in headers.items()
        if key.startswith("x-ppai-")
    }
    if as_json:
        show_json({"answer": answer, **shown})
        return
    show("" if stream else answer)
    say(f"answered by {shown.get('peer')} ({shown.get('model')}): {shown.get('reason')}")


def route(
    text: Annotated[str, typer.Argument(help="The query.")],
    model: Annotated[str, typer.Option(help="A model's name, or `auto`.")] = "auto",
    max_tokens: Annotated[int | None, typer.Option(help="As the request would say.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who would answer a query, and why; nothing is sent to a model."""
    from gateway.cli.own_peer import OwnPeer

    body = {"text": text, "model": model, "max_tokens": max_tokens}
    found = OwnPeer(home_of(home)).post("/ppai/v1/route", body)
    if as_json:
        show_json(found)
        return
    target = found["target"]
    show(f"{target['peer']} ({target['model']}) would answer: {found['reason']}" if target else "nobody would answer")
    if not found["familiar"]:
        show("this text is unlike all that the gate knows: general ability and load decide, no topic does")
    show(f"{'peer':20} {'agent':28} {'score':>6} {'wait':>7} {'service':>8} {'cost':>7} {'utility':>8}  excluded")
    for row in found["candidates"]:
        score = f"{row['score']:.3f}{'' if row['profiled'] else '?'}"
        show(
            f"{row['peer']:20} {row['agent'][:28]:28} {score:>6} {row['wait_s']:>6.2f}s {row['service_s']:>7.2f}s "
            f"{row['cost_s']:>6.2f}s {row['utility']:>8.4f}  {row['excluded'] or ''}"
        )
    if any(not row["profiled"] for row in found["candidates"]):
        say("scores with ? are assumed: the agent has no capability vector yet (run ppai-profile on its machine)")
    for line in found["say"]:
        say(line)


def models(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the models that the network serves, and who serves each."""
    from gateway.cli.own_peer import OwnPeer

    found = OwnPeer(home_of(home)).get("/v1/models")["data"]
    if as_json:
        show_json(found)
        return
    for entry in found:
        context = f"{entry['max_model_len']} tokens" if entry["max_model_len"] else "context unknown"
        show(f"{entry['id']:40} {context:16} {', '.join(entry['ppai']['peers'])}")


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how the running peer is doing."""
    from discovery.names import id_shown
    from gateway.cli.own_peer import OwnPeer

    found = OwnPeer(home_of(home)).get("/ppai/v1/status")
    if as_json:
        show_json(found)
        return
    engine = found["engine"]
    show(f"peer     {found['name']} ({id_shown(found['id'])}) at {found['url']}/v1, up {found['uptime_s']:.0f} s")
    elsewhere = f" ({engine['place']})" if engine.get("place") not in (None, "here") else ""
    show(f"engine   {engine['origin']}{elsewhere}: {engine['problem'] or 'ready'}")
    for line in engine["not_adopted"]:
        show(f"passed   {line}")
    show(f"models   {', '.join(model['id'] for model in engine['models']) or 'none'}")
    load = f"{engine['running']} running, {engine['waiting']} waiting, {engine['slots']} slots"
    show(f"load     {load} ({engine['load_source']})")
    gate = found["gate"]
    show(f"gate     {gate['space']}, read by {' then '.join(gate['encoders']) or 'nobody yet: no peer to choose from'}")
    for line in (gate["problem"], gate["lacking"]):
        if line:
            show(f"         {line}")
    for line in found["missing"]:
        show(f"missing  {line}")
