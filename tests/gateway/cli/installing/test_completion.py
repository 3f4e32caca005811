"""Shells complete the words of both programs, really; a shell that is not here is left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = {
    "bash": """eval "$(ppai completion bash)"
        COMP_WORDS=(ppai agent sh); COMP_CWORD=2; _ppai_completion ppai; echo "${COMPREPLY[@]}"
        COMP_WORDS=(ppai-profile tr); COMP_CWORD=1; _ppai_profile_completion ppai-profile; echo "${COMPREPLY[@]}"
        COMP_WORDS=(ppai feedback x g); COMP_CWORD=3; _ppai_completion ppai; echo "${COMPREPLY[@]}" """,
    "zsh": """compdef() { : }; _arguments() { echo "$1" | grep -o '"[a-z]*"' | tr -d '"' }
        eval "$(ppai completion zsh)"
        words=(ppai agent sh); CURRENT=3; _ppai_completion
        words=(ppai-profile tr); CURRENT=2; _ppai_profile_completion
        words=(ppai feedback x g); CURRENT=4; _ppai_completion""",
    "fish": """ppai completion fish | source
        complete -C "ppai agent sh" | cut -f 1; complete -C "ppai-profile tr" | cut -f 1
        complete -C "ppai feedback x g" | cut -f 1""",
}


@pytest.mark.parametrize(
    "shell", ["bash", pytest.param("zsh", marks=pytest.mark.slow), pytest.param("fish", marks=pytest.mark.slow)]
)
def test_words_are_completed(shell: str, tmp_path: Path) -> None:
    """A command of a group, one of the other program, and a value of an argument."""
    if (program := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = subprocess.run(
        [program, "-c", SCRIPTS[shell]], capture_output=True, text=True, timeout=60,
        env={"PATH": path, "HOME": str(tmp_path)},
    )  # fmt: skip

    assert ("share\ntrain\ngood\n", "") == (done.stdout, done.stderr)


def test_powershell_s_script_names_both_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """It was not run there."""
    from gateway.cli.installing.completion import completion

    completion("powershell")

    script = capsys.readouterr().out
    assert [True, True] == [f"-Native -CommandName {name} " in script for name in ("ppai", "ppai-profile")]
