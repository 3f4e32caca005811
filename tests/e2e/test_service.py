"""A real systemd, of a user, runs a real peer: installed, restarted after a kill, left alone after a stop, removed.

The manager runs in a mount namespace of its own, for it wants to see a machine that was booted by systemd.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SYSTEMD = Path("/usr/lib/systemd/systemd")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SYSTEMD.exists() or shutil.which("unshare") is None, reason="systemd and unshare are needed"
    ),
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root alone may mount"),
]
SCRIPT = textwrap.dedent("""\
    mount -t tmpfs none /run/systemd && mkdir /run/systemd/system || exit 90
    "$SYSTEMD" --user >"$HOME/systemd.log" 2>&1 & manager=$!
    trap 'kill $manager; wait $manager' EXIT
    for _ in $(seq 100); do systemctl --user is-system-running >/dev/null 2>&1 && break; sleep 0.1; done
    "$PYTHON" -c "$TEST"
""")
TEST = textwrap.dedent("""\
    import json, os, signal, subprocess, sys, time
    from pathlib import Path
    from gateway.cli.installing import service
    from gateway.home.folder import Home

    os.geteuid = lambda: 1000  # a user's manager, though root alone may mount
    home, found = Home(Path(os.environ["PPAI_TEST_HOME"])), {}
    def show(name):
        asked = ["systemctl", "--user", "show", "-p", name, "--value", unit]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    def await_that(what):
        until = time.monotonic() + 60
        while not what():
            assert time.monotonic() < until
            time.sleep(0.05)
    units = Path.home() / ".config/systemd/user"
    service.install(home=home.path)
    unit = next(units.glob("ppai*.service")).name
    first = home.running().pid
    found["started"] = (show("ActiveState"), show("UnitFileState"), int(show("MainPID")) == first)
    os.kill(first, signal.SIGKILL)
    await_that(lambda: (now := home.running()) is not None and now.pid != first)
    found["restarted"] = int(show("MainPID")) == home.running().pid
    subprocess.run([sys.executable, "-m", "gateway.cli", "stop", "--home", home.path], check=True)
    await_that(lambda: show("ActiveState") == "inactive")
    found["stopped"] = show("Result")
    service.uninstall(home=home.path)
    found["left"] = [str(path) for path in units.rglob("*") if not path.is_dir()]
    found["known"] = show("LoadState")
    print(json.dumps(found))
""")


@pytest.mark.timeout(180)
def test_systemd_runs_a_peer_from_its_installation_to_its_removal(tmp_path: Path) -> None:
    """Its home has a name that systemd would read otherwise, were it not written for it."""
    home = tmp_path / 'a "home" of 100%h $HOME \\x41'
    home.mkdir()
    (home / "config.yaml").write_text(
        "client: {port: 0}\npeer: {host: 127.0.0.1, port: 0}\nnetwork: {mdns: false}\nengine: {url: http://127.0.0.1:9}\n"
        "profile: {auto: off}\n"
    )
    (tmp_path / "run").mkdir(mode=0o700)
    environment = {
        **os.environ,
        "SYSTEMD": str(SYSTEMD),
        "PYTHON": sys.executable,
        "TEST": TEST,
        "PPAI_TEST_HOME": str(home),
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "SYSTEMD_LOG_TARGET": "console",
    }
    environment.pop("XDG_CONFIG_HOME", None)

    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=150
    )

    if done.returncode == 90:
        pytest.skip("this root may not mount")
    assert 0 == done.returncode, done.stdout + done.stderr + (tmp_path / "systemd.log").read_text()
    found = json.loads(done.stdout.splitlines()[-1])
    assert {
        "started": ["active", "enabled", True],
        "restarted": True,
        "stopped": "success",
        "left": [],
        "known": "not-found",
    } == found
