"""ppai ask, feedback, route, privacy, models, status: questions to the running peer, and grades of its answers."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from gateway.cli.layout import Row, table, width
from gateway.cli.options import HomeOption, JsonOption, home_of, say, show, show_json
from gateway.wire.text import read_header_text

_NUMBERS = {"score": float, "cost_s": float, "attempts": int}  # headers that hold one


def ask(
    text: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    model: Annotated[str, typer.Option(help="A model's name, or `auto`.")] = "auto",
    route: Annotated[str | None, typer.Option(help="`local`, or the name or id of the peer that is to answer.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="At most this many tokens.")] = None,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Print words as they come.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the running peer one question.

    Example: ppai ask 'Name a prime above 90.'

    Example: ppai ask --route ben --max-tokens 100 'Why is the sky blue?'
    """
    from gateway.cli.own_peer import OwnPeer

    if route is not None:
        _not_empty(route, "--route", "name a peer (see ppai peers), or leave it out")
    body: dict[str, Any] = {
        "model": _not_empty(model, "--model", "name a model (see ppai models), or leave it out"),
        "messages": [{"role": "user", "content": _question(text)}],
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
        key.removeprefix("x-ppai-").replace("-", "_"): read_header_text(value)
        for key, value in headers.items()
        if key.startswith("x-ppai-")
    }
    if as_json:
        numbers = {name: kind(shown[name]) for name, kind in _NUMBERS.items() if name in shown}
        show_json({"answer": answer, "request": headers.get("x-request-id"), **shown, **numbers})
        return
    show("" if stream else answer)
    asked = f"; request {headers['x-request-id']}" if "x-request-id" in headers else ""
    say(f"answered by {shown.get('peer')} ({shown.get('model')}): {shown.get('reason')}{asked}")


def feedback(
    request: Annotated[str, typer.Argument(help="The answer's request, as `ppai ask` says it: its x-request-id.")],
    grade: Annotated[Literal["good", "bad"], typer.Argument(help="How the answer was.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how good an answer was: this peer asks its agent more often, or less, for such things.

    Example: ppai feedback 78160a8918130b5453377799c93dd952 good
    """
    from gateway.cli.own_peer import OwnPeer

    body = {"request": _not_empty(request, "REQUEST", "ppai ask says it"), "score": 1 if grade == "good" else -1}
    found = OwnPeer(home_of(home)).post("/ppai/v1/feedback", body)
    if as_json:
        show_json(found)
    elif found["counted"]:
        say("it counts, on this machine alone")
    else:
        say("it changes nothing: it was said before, or what the request was about is not known")


def _question(text: str) -> str:
    """What is asked: the argument, or standard input for `-`. Raises BadParameter where it is empty or no text."""
    try:
        asked = sys.stdin.read() if text == "-" else text
    except UnicodeDecodeError as error:
        raise typer.BadParameter("standard input is no text in UTF-8", param_hint="TEXT") from error
    return _not_empty(asked, "TEXT", "write what you ask, or pipe it in and write `-`")


def _not_empty(text: str, name: str, remedy: str) -> str:
    if not text.strip():
        raise typer.BadParameter(f"it is empty: {remedy}", param_hint=name)
    return text


def route(
    text: Annotated[str, typer.Argument(help="The query; `-` reads it from standard input.")],
    model: Annotated[str, typer.Option(help="A model's name, or `auto`.")] = "auto",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="As the request would say.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who would answer a query, and why; nothing is sent to a model. Exit 1 where nobody would.

    Example: ppai route 'What is a prime number?'
    """
    from gateway.cli.own_peer import OwnPeer
    from gateway.cli.pages import NOT_MEASURED, route_lines

    model = _not_empty(model, "--model", "name a model (see ppai models), or leave it out")
    body = {"text": _question(text), "model": model, "max_tokens": max_tokens}
    found = OwnPeer(home_of(home)).post("/ppai/v1/route", body)
    if as_json:
        show_json(found)
    else:
        for line in route_lines(found, width()):
            show(line)
        if not all(row["profiled"] for row in found["candidates"]):
            say(NOT_MEASURED)
        for line in found["say"]:
            say(line)
    if not found["target"]:
        raise typer.Exit(1)


def privacy_test(
    text: Annotated[str, typer.Argument(help="What would be asked; `-` reads it from standard input.")],
    model: Annotated[str, typer.Option(help="The model that would be asked for.")] = "auto",
    key: Annotated[str, typer.Option(help="The name of the API key that it would come with.")] = "",
    header: Annotated[list[str] | None, typer.Option(help="A header that it would have, as 'NAME: VALUE'.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far a text may go, and which rules hold. Nothing is sent anywhere.

    Example: ppai privacy test 'The diagnosis of Mr. Smith is ...'
    """
    from gateway.cli.own_peer import OwnPeer
    from gateway.cli.pages import privacy_lines

    headers = dict(map(_header, header or []))
    body = {"text": _question(text), "model": model, "key": key, "headers": headers}
    found = OwnPeer(home_of(home)).post("/ppai/v1/privacy", body)
    if as_json:
        show_json(found)
        return
    for line in privacy_lines(found, width()):
        show(line)
    if not found["rules"]:
        say("there are no rules: `privacy.rules` is empty, and a request goes to whoever may answer")


def _header(said: str) -> tuple[str, str]:
    name, colon, value = said.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter("write it as 'NAME: VALUE'", param_hint="--header")
    return name.strip(), value.strip()


def models(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the models that the network serves, and who serves each.

    Example: ppai models
    """
    from gateway.cli.own_peer import OwnPeer

    found = OwnPeer(home_of(home)).get("/v1/models")["data"]
    if as_json:
        show_json(found)
        return
    rows = [
        Row(
            (entry["id"], str(entry["max_model_len"] or "not told")),
            (", ".join(entry["ppai"]["peers"]) or "nobody") + _agent_words(entry["ppai"]),
        )
        for entry in found
    ]
    for line in table(Row(("model", "context"), "peers"), rows, width(), right=(1,)):
        show(line)


def _agent_words(entry: Mapping[str, Any]) -> str:
    """What follows who serves it, of a personal agent: the models that it asks, and kinds of its tools."""
    if entry.get("kind") != "agent":
        return ""
    has = f" with {', '.join(entry['tools'])}" if entry["tools"] else ""
    return f"; an agent on {' or '.join(entry['models']) or 'a model that is not said'}{has}"


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay, and follow peers and requests; in a pipe a line for each news.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how the running peer is doing.

    Example: ppai status

    Example: ppai status --watch
    """
    from gateway.cli.own_peer import OwnPeer
    from gateway.cli.pages import status_lines

    if watch and as_json:
        raise typer.BadParameter("programs follow GET /ppai/v1/watch: leave --json out", param_hint="--watch")
    if watch:
        from gateway.cli.running.watching import watch as stay

        stay(home_of(home))
        return

    found = OwnPeer(home_of(home)).get("/ppai/v1/status")
    if as_json:
        show_json(found)
        return
    for line in status_lines(found, width()):
        show(line)
    for line in found.get("say", ()):
        say(line)
