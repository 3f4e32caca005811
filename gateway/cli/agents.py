"""ppai agent: personal agents as files of the home, and what the running peer makes of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import asking
from gateway.cli.layout import Row, table, width
from gateway.cli.options import HomeOption, JsonOption, home_of, say, show, show_json, stderr_console

if TYPE_CHECKING:
    from gateway.agent.settings import AgentSettings
    from gateway.home.folder import Home

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The agent: the name of its file.")]
NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Agents; without any, all of them.")
]
_LOOK_S = 0.5  # between two looks at how far it is
_USE = ("me", "mine", "approved", "anyone")


class AgentProblem(Exception):
    """An agent cannot be used as it is; the message names the remedy."""


def agent_init(
    name: NameArgument,
    home: HomeOption = None,
    documents: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Documents that it answers from; their headings are proposed as topics."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an agent of this name.")] = False,
) -> None:
    """Write an agent's file, in which every key is explained, to be edited.

    Example: ppai agent init librarian
    """
    from gateway.agent.owned.files import check_name
    from gateway.config import data_dir

    place = home_of(home)
    path = _path(place, name)
    check_name(name, str(path))
    if path.exists() and not force:
        raise AgentProblem(f"{path} is there already: edit it, or make it anew with --force")
    place.prepare()
    place.agents.mkdir(mode=0o700, exist_ok=True)
    text = (data_dir() / "agent.yaml").read_text(encoding="utf-8")
    place.write_private(f"{place.agents.name}/{path.name}", (_with(text, documents) if documents else text).encode())
    show(str(path))
    if documents:
        say("its topics are proposed as comments: write them in your own words, so that questions find it")
    say(f"edit it, then run: ppai agent check {name}")


def _with(text: str, documents: Path) -> str:
    """The example with a folder in it, and topics that it suggests. Raises AgentProblem where there is no folder."""
    import json

    from gateway.agent.owned.proposing import proposed_topics

    folder = documents.expanduser().absolute()
    if not folder.is_dir():
        raise AgentProblem(f"there is no folder {folder}: name one with --documents FOLDER")
    topics = "".join(f"#  - {json.dumps(topic, ensure_ascii=False)}\n" for topic in proposed_topics(folder))
    text = text.replace("  folders: [] ", f"  folders: [{json.dumps(str(folder), ensure_ascii=False)}] ", 1)
    return text.replace("questions: ", f"{topics}questions: ", 1)


def agent_check(names: NamesArgument = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong with agents, and who may use them; exit 1 where something is.

    Example: ppai agent check librarian
    """
    place = home_of(home)
    files, running = _files(place, names or ()), _running(place)
    rows = [{**_checked(path), **running.get(path.stem, {})} for path in files]
    rows = [{**row, **_coming(place, row)} for row in rows]
    if as_json:
        show_json(rows)
    elif not rows:
        say(f"there are no agents in {place.agents}; make one: ppai agent init NAME")
    for row in () if as_json else rows:
        for line in _check_lines(row):
            show(line)
    if running == {} and rows and not as_json:
        say("no peer is running: whether an engine serves their models is seen when one does")
    if any(row["problem"] or row.get("not_working") for row in rows):
        raise typer.Exit(1)


def agent_index(name: NameArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how far an agent's documents are read, until all can be searched; exit 1 where some cannot be read.

    Example: ppai agent index librarian
    """
    import time

    from rich.progress import BarColumn, Progress, TextColumn

    from gateway.cli.own_peer import OwnPeer

    place = home_of(home)
    _file(place, name)
    with Progress(TextColumn("{task.description}"), BarColumn(), console=stderr_console(), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        while True:
            rows: list[dict[str, Any]] = OwnPeer(place).post("/ppai/v1/agents/look", {})
            row = next((row for row in rows if row["name"] == name), {})
            if row.get("problem") and "documents" not in row:
                raise AgentProblem(f"{name}: {row['problem']}")
            found = row.get("documents")
            if found is None:
                raise AgentProblem(f"{name} has no documents: name their folders under `knowledge.folders`")
            words = f"{found['documents']} documents, {found['pieces']} pieces, {found['unread']} files to read"
            bar.update(task, completed=found["vectors"], total=found["pieces"] or None, description=words)
            if found["is_done"]:  # with problems, too: one document that cannot be read says nothing of the rest
                break
            time.sleep(_LOOK_S)
    if as_json:
        show_json(found)
    else:
        show(f"{name}: {_documents(found)}")
        for problem in found["problems"]:
            show(f"  {problem}")
    if found["problems"]:
        raise typer.Exit(1)


def _documents(found: Mapping[str, Any]) -> str:
    """How far documents are read."""
    if found["is_done"]:
        return f"{found['documents']} documents in {found['pieces']} pieces, all of them searchable"
    return (
        f"{found['documents']} documents in {found['pieces']} pieces, {found['vectors']} of them searchable by meaning,"
        f" {found['unread']} files to read"
    )


def agent_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the agents: which model each asks, who may use it, and why one is not served.

    Example: ppai agent list
    """
    place = home_of(home)
    running = _running(place)
    rows = [{**_checked(path), **running.get(path.stem, {})} for path in _files(place, ())]
    if as_json:
        show_json(rows)
        return
    if not rows:
        say("no agents yet: make one with `ppai agent init NAME`")
        return
    shown = [
        Row(
            (row["name"], (row.get("shown") or row)["model"] or "any", ", ".join(row["use"])),
            row["problem"] or row["description"],
        )
        for row in rows
    ]
    for line in table(Row(("agent", "model", "use"), "what it is"), shown, width()):
        show(line)


def agent_ask(
    name: NameArgument,
    text: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    max_tokens: Annotated[int | None, typer.Option(min=1, help="At most this many tokens.")] = None,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Print words as they come.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask one of this machine's agents a question.

    Example: ppai agent ask librarian 'When does it open?'
    """
    place = home_of(home)
    problem = _checked(_file(place, name))["problem"]
    if problem:
        raise AgentProblem(problem)
    asking.ask(text, model=name, route="local", max_tokens=max_tokens, stream=stream, home=home, as_json=as_json)


def agent_share(
    name: NameArgument,
    who: Annotated[
        list[str],
        typer.Argument(metavar="WHO...", help="me, mine, approved or anyone; or names or ids of approved peers."),
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change who may use an agent, and show what they then see.

    Example: ppai agent share librarian ben
    """
    from gateway.agent.owned.files import share

    place = home_of(home)
    path = _file(place, name)
    share(path, tuple(who) if set(who) & set(_USE) else _ids_of(place, who))
    row = {**_checked(path), **_running(place).get(name, {})}
    if as_json:
        show_json(row)
        return
    for line in _check_lines(row):
        show(line)


def _ids_of(home: "Home", who: list[str]) -> tuple[str, ...]:
    """The ids of the approved peers that names mean, by which the file holds them: a name may be another's tomorrow."""
    from discovery.names import find
    from gateway.cli.own_peer import OwnPeer

    found = OwnPeer(home).get("/ppai/v1/peers")
    known = {peer["id"]: peer["name"] for peer in found if "ask" in peer["rights"]}
    return tuple(find(name, known) for name in who)


def _check_lines(row: Mapping[str, Any]) -> list[str]:
    """One agent: what is wrong, or who may use it and what they see."""
    if row["problem"]:
        return [f"{row['name']}: {row['problem']}"]
    lines = [f"{row['name']}: {_whom(row)}"]
    if shown := row.get("shown"):
        has = f", with {', '.join(shown['tools'])}" if shown["tools"] else ""
        context = f", {shown['context_tokens']} tokens of context" if shown["context_tokens"] else ""
        what = f"an agent on {shown['model']}{has}{context}"
        if row["use"] == ["me"]:
            lines.append(f"  it is {what}")
        else:
            lines.append(f"  they see {what}; not its prompt, documents or addresses")
            lines += [f"  description: {words}"] if (words := shown.get("description")) else []
        lines += [f"  topic: {topic}" for topic in shown["topics"]]
    if found := row.get("coming"):
        lines.append(f"  of {found['own']} questions of yours {found['own'] - len(found['missed'])} would come to it")
        lines += [f"  would not come: {text}" for text in found["missed"]]
        lines.append(f"  of {found['others']} that others ask {len(found['strays'])} would")
        lines += [f"  would come: {text}" for text in found["strays"]]
    if found := row.get("documents"):
        lines.append(f"  documents: {_documents(found)}")
        lines += [f"  {problem}" for problem in found["problems"]]
    return lines + [f"  not working: {problem}" for problem in row.get("not_working", ())]


def _whom(row: Mapping[str, Any]) -> str:
    """Who may use it now."""
    if row["use"] == ["me"]:
        return "for programs of this machine alone"
    words = f"for {', '.join(row['use'])}"
    if "peers" not in row:
        return words
    if "anyone" in row["use"]:
        return f"{words}: everybody who may ask this peer; its name is in the card, which strangers read, too"
    from discovery.names import with_id

    names = ", ".join(with_id(peer["name"], peer["id"]) for peer in row["peers"]) or "nobody yet"
    card = "; its name is in the card, which strangers read, too" if row["in_card"] else ""
    return f"{words}, which is now {names}{card}"


def _checked(path: Path) -> dict[str, Any]:
    """What a file says, or what is wrong with it."""
    from discovery.private_files import OpenToOthers
    from gateway.agent.owned.files import AgentFileError, read_agent
    from gateway.strict import ConfigError

    try:
        settings: AgentSettings = read_agent(path)
    except (AgentFileError, ConfigError, OpenToOthers) as error:
        return {"name": path.stem, "problem": str(error), "use": [], "description": "", "model": ""}
    said = {
        "use": list(settings.use), "description": settings.description, "model": settings.model,
        "questions": settings.questions,
    }  # fmt: skip
    return {"name": path.stem, "problem": None, **said}


def _coming(home: "Home", row: Mapping[str, Any]) -> dict[str, Any]:
    """Which questions would come to an agent that the peer serves, by its topics; nothing where it has none."""
    from gateway.cli.own_peer import OwnPeer, PeerRefused

    if row["problem"] or not (row.get("shown") or {}).get("topics") or not row.get("questions"):
        return {}
    try:
        return {"coming": OwnPeer(home).post("/ppai/v1/agents/topics", {"agent": row["name"]})}
    except PeerRefused as error:
        return {"problem": str(error)}


def _running(home: "Home") -> dict[str, dict[str, Any]]:
    """What the running peer makes of each agent, after a look at the files; nothing where none is running."""
    from gateway.cli.own_peer import NotRunning, OwnPeer

    try:
        return {row["name"]: row for row in OwnPeer(home).post("/ppai/v1/agents/look", {})}
    except NotRunning:
        return {}


def _files(home: "Home", names: list[str] | tuple[str, ...]) -> list[Path]:
    """The files of these agents, or all."""
    from gateway.agent.owned.files import files_in

    return [_file(home, name) for name in names] or files_in(home.agents)


def _file(home: "Home", name: str) -> Path:
    """An agent's file. Raises AgentProblem where there is none, with the nearest name."""
    import difflib

    from gateway.agent.owned.files import files_in

    path = _path(home, name)
    if not path.is_file():
        known = [other.stem for other in files_in(home.agents)]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean `{near[0]}`?" if near else f"; make it: ppai agent init {name}"
        raise AgentProblem(f"there is no agent `{name}` in {home.agents}{hint}")
    return path


def _path(home: "Home", name: str) -> Path:
    from gateway.agent.owned.files import SUFFIX

    return home.agents / f"{name.removesuffix(SUFFIX).rpartition('/')[2]}{SUFFIX}"
