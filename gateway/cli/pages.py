"""What `ppai status`, `peers` and `route` show to people, as lines; `columns` is the terminal's width.

The values are the running peer's pages (gateway/client/views.py). A peer of an older version lacks a few.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from discovery.names import id_shown, quoted
from gateway.cli.layout import Row, Width, fact, table

Page = Mapping[str, Any]

NOT_MEASURED = "a model with ? was not measured yet: run ppai-profile on its machine"
REASONS = {
    "best": "it promises the most for its cost",
    "topic": "it is likely to be of what that agent is for",
    "unfamiliar": "it is good in general; the text is unlike all that the gate knows",
    "local_idle": "this machine's engine is free and about as good as any",
    "only_candidate": "nobody else may or can",
    "explored": "by lot, so that news of it stays fresh",
    "pinned": "it was named",
    "last_resort": "nobody else can answer",
    "client": "the request stays on this machine",
    "fallback": "nobody suits, so this machine's engine tries",
    "random": "by lot, as scheduler.mode says",
    "paper": "by the paper's rule, as scheduler.mode says",
    "mode": "this machine's engine, as scheduler.mode says",
    "field": "the request holds what may not leave this machine",
    "privacy": "a rule of yours says how far the request may go",
}
WHY_NOT = {
    "dead": "it is gone",
    "suspect": "it does not answer at the moment",
    "not_approved": "it is not approved: run ppai approve",
    "place": "its engine is not on this machine",
    "privacy": "it came after the request, which stays where it was asked",
    "model": "it serves another model",
    "modality": "it cannot take what the request holds",
    "context": "its context is too short",
    "pinned": "another peer was named",
    "closed": "it takes no more work now",
    "silent": "it did not answer our probe",
    "retried": "it failed this conversation last",
    "last_resort": "it is asked when nobody else can answer",
    "endpoint": "its engine does not have that endpoint, or its peer does not pass it on",
    "agent": "it is a personal agent that nothing speaks for yet: ask it by its name",
    "continuing": "it cannot go on with an answer that another began",
    "score": "it is expected to be too weak",
    "embedded": "it stands back: another can begin soon",
    "trial": "nobody vouched for it, and strangers had their tenth of our requests for now: run ppai approve",
    "cold": "its model is not loaded, and its owner has none loaded because others ask",
    "distrusted": "it answers less than half as well as it claims: see ppai peers; name it to ask it all the same",
}
LOAD_SOURCES = {"metrics": "as the engine tells", "own count": "as counted here"}


def status_lines(found: Page, columns: Width) -> list[str]:
    """The peer, its engine, its network and what reads topics; each thing once."""
    network, gate, missing = found.get("network", {}), found["gate"], found["missing"]
    engines = found.get("engines") or [found["engine"]]
    state = "cannot answer yet" if missing else "ready"
    version = f", PPAI {found['version']}" if "version" in found else ""
    lines = [f"{found['name']} ({id_shown(found['id'])}){version}, up {duration(found['uptime_s'])}: {state}"]
    lines += fact("endpoint", f"{found['url']}/v1", columns)
    if workers := found.get("workers"):
        lines += fact("workers", _workers_words(workers), columns)
    for engine in engines:
        lines += _engine_lines(engine, columns)
    if kept_shut := found.get("kept_shut"):
        lines += fact("others", f"get nothing now: {kept_shut}", columns)
    lines += _measuring_lines(found.get("measuring"), columns)
    lines += _network_lines(network, columns)
    readers = " then ".join(gate["encoders"])
    read = f"told apart by: {readers}" if readers else "not told apart yet: there is nobody to choose between"
    lines += fact("topics", f"{read} (gate {gate['space']})", columns)
    for line in (gate["problem"], gate["lacking"]):
        lines += fact("", line or "", columns)
    for line in missing:
        if line not in [engine["problem"] for engine in engines]:
            lines += fact("missing", line, columns)
    return lines


def _workers_words(workers: Page) -> str:
    """How many processes pass answers on, and whether all of them do."""
    ended = f"; {workers['ended']} ended and were replaced" if workers["ended"] else ""
    return f"{workers['running']} of {workers['wanted']} processes pass answers on{ended}"


def _measuring_lines(measuring: Page | None, columns: Width) -> list[str]:
    """How far our agents are measured, and why it does not go on now; nothing of a peer that measures nothing."""
    lines: list[str] = []
    for agent in (measuring or {}).get("agents", ()):
        of = f" of {measuring['questions']}" if measuring and measuring["questions"] else ""
        behind = f", {agent['published']} published" if 0 < agent["published"] < agent["answers"] else ""
        whose = "of how it was configured before" if agent.get("base") else "an older model's"
        stale = f"; its vector is {whose}" if agent["stale"] else ""
        now = "it is being asked" if agent["asking"] else agent["why_not"]
        far = f"{agent['name']}: {agent['answers']}{of} answered{behind}{stale}"
        lines += fact("" if lines else "measured", f"{far}; {now}" if now else far, columns)
        for line in _owned_lines(agent):
            lines += fact("", f"{agent['name']}: {line}", columns)
    return lines


def _owned_lines(agent: Page) -> list[str]:
    """What the owner's questions to a personal agent found, and why they cannot be asked."""
    lines = [problem] if (problem := agent.get("questions_problem")) else []
    if domain := agent.get("domain"):
        before = ", as it was configured before" if domain["stale"] else ""
        right = f"{100 * domain['right']:.0f} % right, {100 * domain['right_without']:.0f} % by its model alone"
        lines.append(f"of {domain['questions']} questions of yours {right}{before}")
    return lines


def _engine_lines(engine: Page, columns: Width) -> list[str]:
    """What it is, what is wrong with it, its load, and the models that it serves."""
    elsewhere = f" ({engine['place']})" if engine.get("place") not in (None, "here") else ""
    lines = fact("engine", f"{engine['origin']}{elsewhere}: {engine['problem'] or 'ready'}", columns)
    if not engine["problem"]:
        source = LOAD_SOURCES.get(engine["load_source"], engine["load_source"])
        load = f"{engine['running']} running, {engine['waiting']} waiting, {engine['slots']} slots ({source})"
        lines += fact("load", load, columns)
    for line in engine["not_adopted"]:
        lines += fact("not taken", line, columns)
    for number, model in enumerate([] if engine["problem"] else engine["models"]):
        known = "" if model.get("profiled", True) else " (not measured: run ppai-profile)"
        lines += fact("" if number else "models", model["id"] + known, columns)
    return lines


def _network_lines(network: Page, columns: Width) -> list[str]:
    if not network:
        return []
    count, kept_out = network["peers"], len(network["refused"])
    peers = "no other peer" if not count else "1 other peer" if count == 1 else f"{count} other peers"
    named = f"`{network['name']}`, " if "name" in network else ""
    lines = fact("network", f"{named}admission: {network['admission']}, {peers} (ppai peers)", columns)
    lines += fact("", _reached_at(network), columns)
    for relay in network.get("relays", ()):
        lines += fact("", f"the relay {relay['relay']}: {relay['problem'] or 'others reach us through it'}", columns)
    if punching := network.get("punching"):
        ways = f"to {punching['to']} peers" if punching["to"] else "to nobody yet"
        seen = f"our packets come from {punching['at']}" if punching["at"] else "no relay tells us our outer address"
        lines += fact("", f"direct ways through both NATs: {ways} ({seen})", columns)
    if relayed := network.get("relayed"):
        streams = sum(row["streams"] for row in relayed)
        peers = "1 peer is" if len(relayed) == 1 else f"{len(relayed)} peers are"
        lines += fact("", f"{peers} reached through this one, by {streams} connections now", columns)
    if left_out := network.get("left_out_of_card"):
        count = "" if len(left_out) == 1 else f" and {len(left_out) - 1} more"
        lines += fact("", f"the card has no room for {left_out[0]}{count} (agents.publish ranks them)", columns)
    if kept_out:
        lines += fact("", f"{kept_out} kept out: see ppai peers", columns)
    if refusing := network.get("refusing"):
        lines += fact("", f"{len(refusing)} not taking our requests: see ppai peers", columns)
    if network.get("identity_in_use"):
        twin = "another machine runs with a copy of this home: give one of the two a new home (ppai init --home DIR)"
        lines += fact("", twin, columns)
    return lines


def _reached_at(network: Page) -> str:
    if not network["addresses"]:
        return "asks only: nobody who tried has reached this peer, so no other asks it (ppai doctor says why)"
    return f"peers reach us at {', '.join(network['addresses'])}"


PEER_HEAD = Row(("peer", "id", "state", "rights", "run", "wait", "slots", "heard"), "address: models")


def peer_lines(found: Sequence[Page], status: Page, columns: Width) -> list[str]:
    """This peer first, then all that it knows, then those that were kept out."""
    space = status.get("gate", {}).get("space")
    rows = [_own_row(status), *(_peer_row(peer, space) for peer in found)]
    rows += [
        Row((quoted(refused["name"]), id_shown(refused["id"]), "kept out"), refused["why"])
        for refused in status["network"]["refused"]
    ]
    return table(PEER_HEAD, rows, columns, right=(4, 5, 6, 7), cut=(0, 1))


def are_all_measured(found: Sequence[Page], status: Page) -> bool:
    """Whether no `?` stands in the lines of `peer_lines`."""
    space = status.get("gate", {}).get("space")
    agents = [agent for peer in found for agent in peer["agents"]]
    own = status.get("engine", {}).get("models", [])
    return all(_is_measured(agent, space) for agent in agents) and all(model.get("profiled", True) for model in own)


def _own_row(status: Page) -> Row:
    engine = status["engine"]
    jobs = [str(engine[key]) for key in ("running", "waiting", "slots")] if not engine["problem"] else ["", "", ""]
    names = [f"{model['id']}{'' if model.get('profiled', True) else '?'}" for model in engine["models"]]
    network = status["network"]
    cells = (quoted(status["name"]), id_shown(status["id"]), "this one", "", *jobs)
    at = ", ".join(network["addresses"]) or "asks only"
    said = f"{at}: {', '.join(names) or 'no model'}; admission: {network['admission']}"
    said += f"; in words: {status['words']}" if status.get("words") else ""
    return Row(cells, said)


def _peer_row(peer: Page, space: str | None) -> Row:
    jobs = [str(peer[key]) if peer[key] is not None and peer["age_s"] is not None else "" for key in _JOBS]
    heard = "" if peer["age_s"] is None else duration(peer["age_s"])
    names = [_shown(agent, space) for agent in peer["agents"]]
    why = f"{peer['reason']}; " if peer["state"] != "alive" and peer["reason"] else ""
    why += f"{refuses}; " if (refuses := peer.get("refuses_us")) else ""
    only_asks = peer["state"] == "alive" and not peer.get("addresses", True)
    path = peer["path"] or ("nobody reaches it" if only_asks else "it calls us")
    path += " through a relay" if peer.get("relayed") else " through both NATs" if peer.get("punched") else ""
    rights = "+".join([*peer["rights"], *(["mine"] if peer.get("mine") else [])]) or "not approved"
    state = "asks only" if only_asks else peer["state"]
    cells = (quoted(peer["name"]), id_shown(peer["id"]), state, rights, *jobs, heard)
    aloud = f"; in words: {peer['words']}" if not peer["rights"] and peer.get("words") else ""
    return Row(cells, f"{why}{path}: {', '.join(names) or 'no model'}{_trust_words(peer.get('trust'))}{aloud}")


def _trust_words(trust: Page | None) -> str:
    """What audits said of a peer, and whether it is set aside."""
    if not trust:
        return ""
    aside = f", not asked for {duration(trust['set_aside_s'])} while others can" if trust["set_aside_s"] else ""
    return f"; {trust['words']}{aside}"


def _shown(agent: Page, space: str | None) -> str:
    """An agent's name, whether it was measured, and of a personal one what it is."""
    if agent.get("kind") == "agent":
        has = f" with {', '.join(agent['tools'])}" if agent["tools"] else ""
        return f"{agent['model']} (an agent on {agent['base'] or 'a model that is not said'}{has})"
    return str(agent["model"]) + ("" if _is_measured(agent, space) else _unmeasured(agent))


_JOBS = ("running", "waiting", "slots")


def _unmeasured(agent: Page) -> str:
    """What follows the name of a model that was not measured."""
    return f"? ({prior})" if (prior := agent.get("prior")) else "?"


def _is_measured(agent: Page, space: str | None) -> bool:
    """Whether the agent's card has a vector that our gate can read."""
    return space in agent["spaces"] if space else bool(agent["capability"])


ROUTE_HEAD = Row(("peer", "model", "score", "wait s", "service s", "cost s", "utility"), "the score is")
REST_HEAD = Row(("not asked", "model"), "why")


def route_lines(found: Page, columns: Width) -> list[str]:
    """Who answers and why, the candidates, best first, and who is not asked."""
    target, rows = found["target"], found["candidates"]
    if target:
        why = REASONS.get(found["reason"].partition(":")[0], "")
        because = f"{why} ({found['reason']})" if why else found["reason"]
        lines = fact("answers", f"{target['peer']} with {target['model']}", columns) + fact("because", because, columns)
    else:
        lines = fact("answers", f"nobody: {found.get('problem') or found['reason']}", columns)
    if target and target.get("kind") == "agent":
        lines += fact("", _agent_words(target), columns)
    if (rule := found.get("privacy", {}).get("rule")) is not None:
        untold = "" if found["privacy"]["told"] else ", which cannot be told"
        lines += fact("may go to", f"{found['privacy']['to']}, by the rule {rule}{untold}", columns)
    if not found["familiar"]:
        about = "unlike all that the gate knows: general ability and load decide"
    else:
        about = found.get("category") or ""
    lines += fact("topic", about, columns)
    if found.get("forms"):
        lines += fact("form", f"{' and '.join(found['forms'])}, by the wording", columns)
    if asked := [row for row in rows if not row["excluded"]]:
        head = ROUTE_HEAD if any(row.get("basis") for row in asked) else Row(ROUTE_HEAD.cells)
        lines += ["", *table(head, [_candidate(row) for row in asked], columns, right=range(2, 7), cut=(0, 1))]
    if rest := [row for row in rows if row["excluded"]]:
        lines += ["", *table(REST_HEAD, [_not_asked(row) for row in rest], columns, cut=(0, 1))]
    return lines


def _candidate(row: Page) -> Row:
    score = f"{row['score']:.3f}{' ' if row['profiled'] else '?'}"
    seconds = [f"{row[key]:.2f}" for key in ("wait_s", "service_s", "cost_s")]
    return Row((row["peer"], row["agent"], score, *seconds, f"{row['utility']:.4f}"), _agent_words(row))


def _agent_words(row: Page) -> str:
    """What a candidate's score rests on, and that it is a personal agent, with what."""
    if row.get("kind") != "agent":
        return str(row.get("basis", ""))
    has = f" with {', '.join(row['tools'])}" if row["tools"] else ""
    return f"an agent on {row['base'] or 'a model not told'}{has}; {row.get('basis', '')}"


def _not_asked(row: Page) -> Row:
    code = str(row["excluded"])
    of_rule = "a rule of yours keeps the request from it" if code.startswith("privacy:") else ""
    what = WHY_NOT.get(code, of_rule or ("the request stays on this machine" if ":" in code else ""))
    return Row((row["peer"], row["agent"]), f"{what} ({code})" if what else code)


PRIVACY_HEAD = Row(("rule", "holds", "lets it go to"), "it holds for requests")
_HOLDS = {True: "yes", False: "no", None: "not told"}


def privacy_lines(found: Page, columns: Width) -> list[str]:
    """How far the text may go and why, then every rule."""
    why = f"the rule {found['rule']} holds" if found["rule"] else "no rule holds"
    if not found["told"]:
        why = f"whether the rule {found['rule']} holds cannot be told"
    lines = fact("may go to", f"{found['to']}: {why}", columns)
    rows = [Row((rule["name"], _HOLDS[rule["holds"]], rule["to"]), rule["when"]) for rule in found["rules"]]
    return [*lines, "", *table(PRIVACY_HEAD, rows, columns)] if rows else lines


TAB_HEAD = Row(("peer", "id", "gave us", "signed", "had from us", "signed", "share"), "")


def tab_lines(found: Sequence[Page], columns: Width) -> list[str]:
    """What each peer and we gave each other, in tokens; of both, how much both signed, and its weight here."""
    return table(TAB_HEAD, [_tab_row(tab) for tab in found], columns, right=range(2, 7), cut=(0, 1)) if found else []


def _tab_row(tab: Page) -> Row:
    sides = [
        str(side["tokens"]) if side else "-" for one in ("got", "given") for side in (tab[one], tab[one]["signed"])
    ]
    share = "newcomer" if tab["newcomer"] else f"{tab['weight']:.2f}"
    said = "yours" if tab["mine"] else ""
    return Row((quoted(tab["name"] or "?"), id_shown(tab["id"]), *sides, share), said)


def duration(seconds: float) -> str:
    """`7 s`, `12 min`, `3 h 5 min`, `4 days`: as exact as a reader wants it."""
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if not minutes:
        return f"{seconds:.0f} s"
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"
