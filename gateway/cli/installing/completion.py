"""ppai completion: what has a shell complete the words of `ppai` and `ppai-profile`."""

from typing import Annotated, Literal

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it is there for others

from gateway.cli.options import show

PROGRAMS = ("ppai", "ppai-profile")


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell"], typer.Argument(help="The shell that reads it.")],
) -> None:
    """Print what has a shell complete commands, options and their values; it asks no peer, so no peer's name is in it.

    Into ~/.bashrc: eval "$(ppai completion bash)". Into ~/.zshrc, after compinit: eval "$(ppai completion zsh)". For
    fish: ppai completion fish > ~/.config/fish/completions/ppai.fish. PowerShell reads it in its profile.

    Example: ppai completion bash
    """
    for program in PROGRAMS:
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"  # that the program looks for by itself
        show(get_completion_script(prog_name=program, complete_var=variable, shell=shell))
