"""What a command of the system says, where there is one."""

import subprocess

TIMEOUT_S = 1.0


def said(*command: str) -> str | None:
    """What it wrote; None where there is no such command, or it failed, or took longer than TIMEOUT_S."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None
