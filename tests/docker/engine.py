"""A Docker engine of our own, for `make test-docker`: its daemon, a base image from Debian's packages, and Compose.

It reaches no registry of images: `python:3.12-slim-trixie` is a stand-in, Debian trixie with Debian's own Python.
Nothing of another engine on this machine is touched: data, socket and processes are of one folder, and go with it.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".work" / "docker"  # the base, which takes minutes to make
BASE = "python:3.12-slim-trixie"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
DOCKER = "/usr/bin/docker"
COMPOSE = Path(sys.executable).parent / "docker-compose"
# As in Docker's own Debian images: what apt can make anew is in no layer.
CLEAN = """\
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""
PYTHON = '#!/bin/sh\nexec /usr/local/py/bin/python "$@"\n'


def why_not_here() -> str | None:
    """Why no engine can be had, and what brings it; None where one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "an engine of its own is root's, on Linux"
    lacking = [name for name in ("dockerd", "debootstrap") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not installed: apt-get install docker.io debootstrap" if lacking else None


class Engine:
    """One daemon. `with Engine(folder) as engine:` runs it, with the base image in it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._socket = folder, folder / "docker.sock"
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Engine":
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        command = ["dockerd", "--iptables=false", "--bridge=none", f"--host=unix://{self._socket}"]
        command += [f"--{flag}={self._folder / name}" for flag, name in places.items()]
        with (self._folder / "dockerd.log").open("wb") as log:
            self._daemon = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while self._run(DOCKER, "info").returncode:
            assert self._daemon.poll() is None and time.monotonic() < until, (self._folder / "dockerd.log").read_text()
            time.sleep(0.2)
        self.docker("import", str(base()), BASE)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._daemon
        left = self.docker("ps", "--all", "--quiet").split()
        if left:
            self.docker("rm", "--force", *left)
        self._daemon.terminate()
        self._daemon.wait(60)
        for mount in (self._folder / "exec" / "netns").glob("*"):  # the daemon leaves them, and with them the folder
            self._run("umount", str(mount))

    def docker(self, *words: str, timeout_s: float = 600, stdin: bytes | None = None) -> str:
        """What `docker ...` prints; fails with what it said."""
        done = self._run(DOCKER, *words, timeout_s=timeout_s, stdin=stdin)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    def build(self, tag: str, context: Path) -> None:
        """Build the image of a checkout."""
        self.docker("build", "--progress", "plain", "--network", "host", "--tag", tag, str(context), timeout_s=1500)

    def compose(self, *words: str, files: tuple[Path, ...], **settings: str) -> str:
        """What `docker compose ...` prints, with nothing in its environment but `settings`; fails with what it said."""
        named = [word for file in files for word in ("--file", str(file))]
        done = self._run(str(COMPOSE), *named, *words, settings=settings)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    def inside(self, container: str, *words: str) -> tuple[int, str]:
        """(exit code, all output) of a command in a running container."""
        done = self._run(DOCKER, "exec", container, *words)
        return done.returncode, done.stdout + done.stderr

    def logs(self, container: str) -> str:
        """All that a container wrote, to either stream."""
        done = self._run(DOCKER, "logs", container)
        return done.stdout + done.stderr

    def _run(
        self, *words: str, timeout_s: float = 600, stdin: bytes | None = None, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "DOCKER_BUILDKIT": "1"}
        environment |= {"DOCKER_HOST": f"unix://{self._socket}", **(settings or {})}
        done = subprocess.run(words, cwd=ROOT, env=environment, input=stdin, capture_output=True, timeout=timeout_s)
        texts = (done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        return subprocess.CompletedProcess(words, done.returncode, *texts)


def base() -> Path:
    """The stand-in for Docker Hub's Python image, as a tar; made once, in minutes."""
    file = KEPT / f"{BASE.replace(':', '-')}.tar.gz"
    if file.exists():
        return file
    KEPT.mkdir(parents=True, exist_ok=True)
    root = KEPT / "root"
    shutil.rmtree(root, ignore_errors=True)
    made = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(root), MIRROR]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, timeout=1500)
    subprocess.run(["chroot", str(root), "python3", "-m", "venv", "/usr/local/py"], check=True)
    _write(root / "usr/local/bin/python", PYTHON, 0o755)
    _write(root / "etc/apt/apt.conf.d/docker-clean", CLEAN)
    for source in (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pip.conf")):  # how this machine's pip fetches
        if source.exists():
            shutil.copy(source, root / source.relative_to("/"))
    for place in ("var/lib/apt/lists", "var/cache/apt"):
        shutil.rmtree(root / place)
        (root / place).mkdir()
    part = file.with_suffix(".part")
    subprocess.run(["tar", "--create", "--gzip", "--file", str(part), "--directory", str(root), "."], check=True)
    shutil.rmtree(root)
    return part.replace(file)


def _write(file: Path, text: str, mode: int = 0o644) -> None:
    file.write_text(text)
    file.chmod(mode)
