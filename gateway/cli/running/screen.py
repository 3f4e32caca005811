"""What a peer's screen shows, as lines (P): this peer, its engines, the others, the last requests.

It is made from the values by key that the page is made from as well (gateway/client/page/showing.py).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.cli.layout import FACT, Row, table
from gateway.cli.pages import REASONS

Values = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]

STARTING = "the peer is starting"
LEAST_ROWS = 3  # of peers and of requests each, on a small terminal
_RANKS = {"alive": 0, "suspect": 1, "dead": 2}  # the order in which peers are listed; others come last
_PEER_STYLES = {"alive": "green", "suspect": "yellow", "dead": "dim"}
_REQUEST_STYLES = {"running": "cyan", "ok": "", "cancelled": "yellow"}  # all others failed


class Line(NamedTuple):
    """One line, and how it looks, in rich's words; "": as all text."""

    text: str
    style: str = ""


def screen_lines(values: Values, rows: int, absent: str = STARTING) -> list[Line]:
    """At most so many lines; each may be longer than the terminal is wide, and is then cut.

    `absent`: what is said where there are no values.
    """
    if "me" not in values:
        return [Line(absent, "bold")]
    lines = [*_head(values), *_own(values), Line("")]
    left = max(rows - len(lines) - 3, 2 * LEAST_ROWS)  # two heads, and a line between
    peers, requests = _peers(values), _requests(values)
    for_peers = min(len(peers), max(LEAST_ROWS, left // 2, left - len(requests)))
    shown, more = _cut(peers, for_peers, "ppai peers")
    lines += [*_peer_lines(shown, values), *more] if shown else [Line("no other peer yet", "dim")]
    shown, more = _cut(requests, left - for_peers, "ppai logs requests")
    lines += [Line(""), *_request_lines(shown), *more] if shown else [Line(""), Line("no request yet", "dim")]
    return lines[:rows]


def _head(values: Values) -> list[Line]:
    me = values["me"]
    state, style = ("ready", "bold green") if not me["missing"] else ("cannot answer yet", "bold yellow")
    lines = [Line(f"{me['name']}: {state}, {me['url']}/v1", style)]
    return lines + [Line(f"{'waits for':{FACT}}{why}", "yellow") for why in me["missing"]]


def _own(values: Values) -> list[Line]:
    lines = []
    engines = [value for key, value in values.items() if key.startswith("engine/")]
    for engine in engines:
        if engine["problem"]:
            lines += [Line(f"{'engine':{FACT}}{engine['origin']}: {engine['problem']}", "yellow")]
            continue
        models = ", ".join(model["id"] for model in engine["models"])
        jobs = f"{engine['running']} running, {engine['waiting']} waiting, {engine['slots']} slots"
        lines += [Line(f"{'engine':{FACT}}{engine['origin']}: {jobs}: {models}")]
    if why := values.get("sharing", {}).get("kept_shut"):
        lines += [Line(f"{'others':{FACT}}get nothing now: {why}", "yellow")]
    if values["me"]["identity_in_use"]:
        lines += [Line(f"{'identity':{FACT}}another machine runs with a copy of this home: see ppai status", "red")]
    return lines + [Line(f"{'':{FACT}}{said}", "yellow") for said in values["me"]["say"]]


def _peers(values: Values) -> list[Mapping[str, Any]]:
    """All others: those that are there first."""
    found = [value for key, value in values.items() if key.startswith("peer/")]
    return sorted(found, key=lambda peer: (_RANKS.get(peer["state"], len(_RANKS)), peer["name"]))


def _peer_lines(peers: Rows, values: Values) -> list[Line]:
    """The head, and one line a peer."""
    rows = [_peer_row(peer, values) for peer in peers]
    head, *lines = table(Row(("peer", "state", "jobs", "answers us"), "models"), rows, None, right=(2,))
    styles = [_PEER_STYLES.get(peer["state"], "") for peer in peers]
    return [Line(head, "bold"), *map(Line, lines, styles)]


def _peer_row(peer: Mapping[str, Any], values: Values) -> Row:
    running, waiting = (values.get(f"load/{peer['id']}") or [None, None])[:2]
    jobs = "" if running is None else f"{running}+{waiting} of {peer['slots']}"
    answers = peer["refuses_us"] or ("yes" if "answer" in peer["rights"] else "not approved")
    models = ", ".join(dict.fromkeys(agent["model"] for agent in values.get(f"good/{peer['id']}", ())))
    trust = f"; {peer['trust']['words']}" if peer["trust"] else ""
    return Row((peer["shown"], peer["state"], jobs, answers), f"{models or 'no model'}{trust}")


def _requests(values: Values) -> list[Mapping[str, Any]]:
    """All that are kept, the newest first."""
    numbered = {int(key.partition("/")[2]): value for key, value in values.items() if key.startswith("request/")}
    return [numbered[number] for number in sorted(numbered, reverse=True)]


def _request_lines(requests: Rows) -> list[Line]:
    """The head, and one line a request."""
    rows = [Row((when_of(row), *request_cells(row)[:3]), _why(row)) for row in requests]
    head, *lines = table(Row(("asked", "answers", "with", "how it went"), "why"), rows, None)
    styles = [_REQUEST_STYLES.get(row["status"], "red") for row in requests]
    return [Line(head, "bold"), *map(Line, lines, styles)]


def _cut(found: Rows, rows: int, command: str) -> tuple[Rows, list[Line]]:
    """(those that have room, the line that says how many have none)."""
    if len(found) <= rows:
        return found, []
    kept = max(rows - 1, 1)
    return found[:kept], [Line(f"and {len(found) - kept} more: {command}", "dim")]


def _why(row: Mapping[str, Any]) -> str:
    reason = str(row["reason"])
    return REASONS.get(reason.partition(":")[0], reason)


def when_of(row: Mapping[str, Any]) -> str:
    """The time of day at which a request was asked, here. Raises KeyError, TypeError, ValueError, OSError."""
    return datetime.fromtimestamp(row["at"]).strftime("%H:%M:%S")


def request_cells(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """(who, with which model, how it went, why) of a line of the route log. Raises KeyError."""
    took = f" in {row['latency_s']:.2f} s" if row.get("latency_s") is not None else ""
    tokens = f", {row['tokens']} tokens" if row.get("tokens") else ""
    tries = f", {row['attempts']} tries" if row.get("attempts", 1) > 1 else ""
    return row["peer"] or "nobody", row.get("model") or "", f"{row['status']}{took}{tokens}{tries}", row["reason"]


def request_line(line: str) -> str:
    """What became of one request, for people: when, who answered with which model, how it went, why it was asked.

    Example: `17:03:12  ben  qwen3:32b  ok in 1.24 s, 212 tokens  best`. A line that is none stays as it is.
    """
    try:
        row: dict[str, Any] = json.loads(line)
        return _request_words(row)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        return line


def _request_words(row: Mapping[str, Any]) -> str:
    return "  ".join(part for part in (when_of(row), *request_cells(row)) if part)


def news(before: Values, after: Values) -> list[str]:
    """What changed, a line each, for a pipe: requests that ended, peers, and whether this peer can answer."""
    lines = []
    for key, value in after.items():
        old = before.get(key)
        if key.startswith("request/") and not value["is_running"] and (old is None or old["is_running"]):
            lines.append(_request_words(value))
        elif key.startswith("peer/") and (old is None or old["state"] != value["state"]):
            lines.append(f"{value['shown']}: {value['state']}")
        elif key == "me" and (old is None or old["missing"] != value["missing"]):
            lines.append(f"{value['name']}: {'; '.join(value['missing']) or 'ready'}")
    return lines + [
        f"{old['shown']}: gone" for key, old in before.items() if key.startswith("peer/") and key not in after
    ]
