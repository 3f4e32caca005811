"""The `ppai` command: each command is a function, and only this package prints.

Imports here cost every command: whatever is heavy is imported by the command that needs it.
"""

import errno
import io
import os
import sys
from typing import Annotated

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # it is there for others

from gateway.cli.agents import agent_ask, agent_check, agent_index, agent_init, agent_list, agent_share
from gateway.cli.asking import ask, feedback, models, privacy_test, route, status
from gateway.cli.installing.completion import completion
from gateway.cli.installing.service import install, uninstall
from gateway.cli.installing.upgrading import upgrade
from gateway.cli.joining import invite, invites, join, uninvite
from gateway.cli.keys import key_add, key_list, key_remove
from gateway.cli.mending.doctor import doctor
from gateway.cli.options import say, show
from gateway.cli.peering import approve, drain, pause, peers, resume, revoke
from gateway.cli.running.listing import agents
from gateway.cli.running.logs import logs
from gateway.cli.running.opening import open_page
from gateway.cli.running.stopping import stop
from gateway.cli.secret import secret_holders, secret_new
from gateway.cli.serving import demo, serve
from gateway.cli.setup import config_check, config_show, init, pull
from profiler import bugs

# What is wrong outside of PPAI: a full disk, a folder that is another user's, too many open files, processes or memory.
_SURROUNDINGS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM),
)

app = typer.Typer(
    help="PPAI: one OpenAI-compatible endpoint that answers with the best model any of your machines runs.\n\n"
    "Start a peer with `ppai serve`, point any OpenAI client at http://127.0.0.1:8470/v1, ask with `ppai ask`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        show(f"ppai {bugs.installed()}")
        raise typer.Exit


@app.callback()
def ppai(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    pass


_RUNNING = (serve, stop, status, logs, doctor)
_ASKING = (ask, feedback, route, models, agents)
_PEERS = (peers, approve, revoke, pause, resume, drain, invite, invites, uninvite, join)
_MACHINE = (init, pull, install, uninstall, upgrade, completion, demo)
for command in (*_RUNNING, *_ASKING, *_PEERS, *_MACHINE):
    app.command()(command)
app.command("open")(open_page)

config_app = typer.Typer(help="Show or check the configuration.", no_args_is_help=True, rich_markup_mode=None)
config_app.command("show")(config_show)
config_app.command("check")(config_check)
app.add_typer(config_app, name="config")

agent_app = typer.Typer(
    help="Personal agents: a prompt, documents and tools of yours in front of a model.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
agent_app.command("init")(agent_init)
agent_app.command("check")(agent_check)
agent_app.command("index")(agent_index)
agent_app.command("list")(agent_list)
agent_app.command("ask")(agent_ask)
agent_app.command("share")(agent_share)
app.add_typer(agent_app, name="agent")

secret_app = typer.Typer(help="The network's secret.", no_args_is_help=True, rich_markup_mode=None)
secret_app.command("new")(secret_new)
secret_app.command("holders")(secret_holders)
app.add_typer(secret_app, name="secret")

privacy_app = typer.Typer(help="What may leave this machine.", no_args_is_help=True, rich_markup_mode=None)
privacy_app.command("test")(privacy_test)
app.add_typer(privacy_app, name="privacy")

key_app = typer.Typer(help="API keys of the client side.", no_args_is_help=True, rich_markup_mode=None)
key_app.command("add")(key_add)
key_app.command("list")(key_list)
key_app.command("remove")(key_remove)
app.add_typer(key_app, name="key")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 expected failure, 2 usage, 3 a bug in PPAI; `join` has two more."""
    os.umask(os.umask(0o022) | 0o022)  # nothing that we make may be written by others: a home that may is refused
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has not all characters is shown escapes for the rest
            stream.reconfigure(errors="backslashreplace")
    completion_init()  # answers a shell that completes words (`ppai completion`)
    try:
        app(prog_name="ppai")
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
    except Exception as error:  # whatever went wrong is told in one line, and a bug is kept in a file
        causes = _causes(error)
        if all(map(_is_expected, causes)):
            for line in dict.fromkeys(map(str, causes)):
                say(f"error: {line}")
            sys.exit(1)
        for line in bugs.lines_about(error, "ppai", sys.argv[1:]):
            say(line)
        sys.exit(3)


def _causes(error: Exception) -> list[Exception]:
    """What went wrong, out of the groups in which tasks that run together report it."""
    if not isinstance(error, ExceptionGroup):
        return [error]
    return [cause for one in error.exceptions for cause in _causes(one)]


def _is_expected(error: Exception) -> bool:
    """Errors that PPAI's rooms raise for the user carry a remedy, and the system's own name what is full or closed.

    Anything else is a bug.
    """
    if isinstance(error, OSError) and error.errno in _SURROUNDINGS:
        return True
    return type(error).__module__.split(".")[0] in ("gateway", "discovery", "profiler")
