"""ppai agents: every agent of the network, what it is, and what it was measured to be good at."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.cli.layout import Row, table, width
from gateway.cli.options import HomeOption, JsonOption, home_of, say, show, show_json

Values = Mapping[str, Any]

BEST = 4  # categories that are named
LEAST_ANSWERS = 4  # in a category that is named; fewer say little
HEAD = Row(("agent", "peer", "what", "context"), "good at")


def agents(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List every agent of the network, and the categories in which it was measured to be best. Yours come first.

    Those of your own that have a file are in `ppai agent list`.

    Example: ppai agents
    """
    from gateway.cli.own_peer import OwnPeer
    from gateway.cli.running.following import snapshots

    values = next(snapshots(OwnPeer(home_of(home))))
    found = list(agents_of(values))
    if as_json:
        show_json(found)
        return
    for line in table(HEAD, [_row(agent) for agent in found], width(), right=(3,), cut=(0, 1)) if found else ():
        show(line)
    if not found:
        say("no agent yet: neither this peer nor another one serves a model")


def agents_of(values: Values) -> Iterator[dict[str, Any]]:
    """Each agent with its peer; `good`: by category the share right and the number of answers, None unmeasured."""
    me = values["me"]
    peers = [{"id": "me", "shown": f"{me['name']} (this one)", "state": "alive"}]
    others = [value for key, value in values.items() if key.startswith("peer/") and value["state"] != "dead"]
    for peer in peers + sorted(others, key=lambda peer: (peer["shown"], peer["id"])):
        for agent in values.get(f"good/{peer['id']}", ()):
            yield {**agent, "peer": peer["shown"], "id": me["id"] if peer["id"] == "me" else peer["id"]} | {
                "good": _by_name(me["categories"], agent["good"], agent["evidence"])
            }


def _by_name(categories: list[str], good: list[float | None] | None, answers: list[int] | None) -> Any:
    if good is None or answers is None:
        return None
    rows = zip(categories, good, answers, strict=True)
    return {name: {"right": right, "answers": count} for name, right, count in rows if right is not None}


def _row(agent: Mapping[str, Any]) -> Row:
    what = f"an agent on {agent['base'] or 'a model not told'}" if agent["kind"] == "agent" else _size(agent)
    return Row((agent["name"], agent["peer"], what, str(agent["context_tokens"] or "not told")), _good_words(agent))


def _size(agent: Mapping[str, Any]) -> str:
    count = agent["parameters"] or 0
    size = f"{count / 1e9:.3g}B" if count >= 1e9 else f"{count / 1e6:.3g}M" if count else ""
    return " ".join(part for part in (size, agent["quantisation"] or "") if part) or "not told"


def _good_words(agent: Mapping[str, Any]) -> str:
    """`maths 92 %, coding 88 %; of 862 answers`; of one that was not measured, what is expected of it."""
    if agent["good"] is None:
        return f"not measured: {agent['prior']}" if agent["prior"] else "not measured"
    enough = {name: one for name, one in agent["good"].items() if one["answers"] >= LEAST_ANSWERS}
    best = sorted(enough, key=lambda name: (-enough[name]["right"], name))[:BEST]
    named = ", ".join(f"{name} {100 * enough[name]['right']:.0f} %" for name in best)
    answers = sum(one["answers"] for one in agent["good"].values())
    return f"{named}; of {answers} answers" if named else f"too few answers yet: {answers}"
