"""What is measured: the engine itself, a peer in front of it, and other gateways where they are installed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.gateway.engine import MODEL

try:
    import psutil  # type: ignore[import-untyped]  # it has no types
except ImportError as error:
    raise SystemExit("benchmarks.gateway needs psutil: pip install -e '.[bench]'") from error

START_TIMEOUT_S = 60.0  # litellm imports for 5 s on an idle machine
ROOT = Path(__file__).parents[2]
WATCHED, EDGE = (Path(__file__).with_name(name) for name in ("watched.py", "edge.py"))
LITELLM = ROOT / ".venv-rivals" / "bin" / "litellm"
VLLM_ROUTER = ROOT / ".venv-vllm-router" / "bin" / "vllm-router"
INSTALLS = {  # in environments of their own: their dependencies disagree with ours
    "nginx": "apt install nginx",
    "vllm-router": "python3 -m venv .venv-vllm-router && .venv-vllm-router/bin/pip install vllm-router",
    "litellm": "python3 -m venv .venv-rivals && .venv-rivals/bin/pip install 'litellm[proxy]'",
}
LITELLM_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_MASTER_KEY": "sk-1234",  # what the driver sends; it refuses to start without one
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
# One network. The answering peer turns none of the driver's requests away: its engine takes all that come at once, and
# one peer, which asks more often here than others may in the long run, may have as much as it asks for.
PAIR_ENVIRONMENT = {
    "PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943",
    "PPAI_ENGINE_SLOTS": "1024",
    "PPAI_ADMISSION_PEER_REQUESTS_PER_S": "0",
    "PPAI_ADMISSION_PEER_TOKENS_PER_S": "0",
}
WORKERS = (2, 4, 8)  # processes that pass answers on: targets `workers2` and so on; `ppai` does it in one
OTHERS = 8  # that the peer `among8` knows
NICE = ("nice", "-n", "10")
NO_ENGINE = "http://127.0.0.1:9"


class NotStarted(Exception):
    """A target did not come up; carries its last words."""


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who answers on 127.0.0.1:`port`, with all the processes that work for it."""

    name: str
    port: int
    processes: tuple[psutil.Process, ...]
    samples: tuple[Path, ...] = ()  # files to which those that are watched write what they are watched for (watched.py)

    def cpu_s(self) -> float:
        """CPU time of the processes and their children so far."""
        return sum(cpu_s_of(process) for process in self._family())

    def rss_mib(self) -> float:
        return float(sum(process.memory_info().rss for process in self._family()) / (1 << 20))

    def stacks(self, since: float, until: float) -> list[str]:
        """What the processes were doing between two times of time.monotonic(), sample by sample."""
        lines = (line.partition(" ") for file in self.samples for line in file.read_text().splitlines())
        return [stack for at, _, stack in lines if since <= float(at) < until]

    def _family(self) -> list[psutil.Process]:
        children = [child for process in self.processes for child in process.children(recursive=True)]
        return [*self.processes, *children]


def cpu_s_of(process: psutil.Process) -> float:
    """Linux counts nanoseconds (clock_getcpuclockid(3)); psutil's steps of 10 ms are too coarse for one stream."""
    if psutil.LINUX:
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


def start(
    stack: ExitStack,
    folder: Path,
    wanted: Callable[[str], bool],
    rivals: bool,
    against: Sequence[Path],
    say: Callable[[str], None],
    *,
    watch: str = "",
    niced: bool = False,
) -> list[Target]:
    """The engine, peers in their kinds, an edge, the same of other checkouts of PPAI, and the rivals there are.

    Those that are `wanted` by name, and the engine. `watch`: what the peers are watched for (watched.py).
    `niced`: the engine stands back where others want its processor. Raises NotStarted for all but rivals.
    """
    checkouts = checkouts_of(against)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [*(NICE if niced else ()), sys.executable, "-m", "benchmarks.gateway.engine", str(port)]
    targets = [started(stack, folder, "direct", port, command)]
    for suffix, checkout in checkouts.items():
        kinds = {f"ppai{suffix}": _peer, f"delegated{suffix}": _pair, f"among{OTHERS}{suffix}": _among_others}
        kinds |= {f"workers{number}{suffix}": partial(_peer, workers=number) for number in WORKERS}
        for name, begin in kinds.items():
            if wanted(name):
                targets.append(begin(stack, folder, name, checkout, url, watch=watch))
        if wanted(name := f"edge{suffix}"):
            own = free_port()
            targets.append(started(stack, folder, name, own, [sys.executable, str(EDGE), str(own)], cwd=checkout))
    for name, command_at in (_rivals(folder, port) if rivals else {}).items():
        if not wanted(name):
            continue
        if not Path(command_at(0)[0]).is_file():
            say(f"{name} is not installed and left out; to have it: {INSTALLS[name]}")
            continue
        own = free_port()
        try:
            ready = "/health/liveliness" if name == "litellm" else "/v1/models"
            targets.append(started(stack, folder, name, own, command_at(own), ready))
        except NotStarted as error:
            say(f"{name} is left out: {error}")
    return targets


def checkouts_of(against: Sequence[Path]) -> dict[str, Path]:
    """What stands behind a target's name, and where its code is; without a suffix this one. Raises NotStarted."""
    for path in against:
        if not (path / "gateway").is_dir():
            raise NotStarted(f"{path} is no checkout of PPAI: it has no folder gateway")
    return {"": ROOT, **{f"@{path.name}": path.resolve() for path in against}}


def python_of(checkout: Path) -> str:
    """The interpreter of its own virtual environment, if it has one: it is measured, too, and so are its packages."""
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _peer(
    stack: ExitStack,
    folder: Path,
    name: str,
    checkout: Path,
    engine: str,
    *more: str,
    watch: str,
    settings: Sequence[str] = (),
    workers: int = 1,
) -> Target:
    """`ppai serve` as that checkout has it; alone, unless `more` says where its peers are.

    `settings`: further ones, as variables of the environment. `workers`: how many processes pass answers on.
    """
    port, samples = free_port(), folder / f"{name}.{watch}"
    begin = [str(WATCHED), watch, str(samples)] if watch else ["-m", "gateway.cli"]
    settings = [*settings, f"PPAI_CLIENT_WORKERS={workers}"] if workers > 1 else settings
    given = ["env", *settings] if settings else []
    command = [*given, python_of(checkout), *begin, "serve", "--home", str(folder / name), "--engine", engine]
    command += ["--port", str(port), "--peer-host", "127.0.0.1", "--no-mdns", *(more or ("--peer-port", "0"))]
    target = started(stack, folder, name, port, command, ready="/ready", cwd=checkout)
    return replace(target, samples=(samples,)) if watch else target


def _pair(stack: ExitStack, folder: Path, name: str, checkout: Path, engine: str, *, watch: str) -> Target:
    """A peer without an engine in front of one that has it: every request is delegated."""
    hop = free_port()
    peer = partial(_peer, stack, folder, watch=watch)
    answering = peer(f"{name}-answering", checkout, engine, "--peer-port", str(hop))
    asking = peer(
        name, checkout, NO_ENGINE, "--peer-port", "0", "--seed", f"127.0.0.1:{hop}"
    )  # ready as soon as the other one may be asked
    return Target(name, asking.port, (*asking.processes, *answering.processes), (*asking.samples, *answering.samples))


def _among_others(stack: ExitStack, folder: Path, name: str, checkout: Path, engine: str, *, watch: str) -> Target:
    """A peer with an engine that knows OTHERS others with the same one, and judges by the fast encoder.

    Only its own CPU time and memory count: the others' idle work is theirs.
    """
    ports = [free_port() for _ in range(OTHERS)]
    for number, port in enumerate(ports):
        _peer(stack, folder, f"{name}-other-{number}", checkout, engine, "--peer-port", str(port), watch="")
    seeds = [word for port in ports for word in ("--seed", f"127.0.0.1:{port}")]
    asked = _peer(
        stack, folder, name, checkout, engine, "--peer-port", "0", *seeds,
        watch=watch, settings=["PPAI_ROUTING_ENCODER=fast"],
    )  # fmt: skip
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _knows(asked.port, OTHERS):
        if time.monotonic() > deadline:
            raise NotStarted(f"{name} did not meet {OTHERS} others, or has no fast encoder")
        time.sleep(0.2)
    return asked


def _knows(port: int, others: int) -> bool:
    """Whether the peer knows so many others and has an encoder loaded."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ppai/v1/status", timeout=5) as response:
        status = json.load(response)
    return bool(status["network"]["peers"] == others and status["gate"]["encoders"])


def _rivals(folder: Path, engine: int) -> dict[str, Callable[[int], list[str]]]:
    return {
        "nginx": lambda port: [shutil.which("nginx") or "nginx", "-c", _nginx_conf(folder, port, engine)],
        "vllm-router": lambda port: [
            str(VLLM_ROUTER), "--host", "127.0.0.1", "--port", str(port), "--worker-urls", f"http://127.0.0.1:{engine}",
            "--policy", "round_robin", "--prometheus-port", str(free_port()),
        ],
        "litellm": lambda port: [
            str(LITELLM), "--config", _litellm_conf(folder, engine), "--host", "127.0.0.1", "--port", str(port),
        ],
    }  # fmt: skip


def _nginx_conf(folder: Path, port: int, engine: int) -> str:
    conf = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf.write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err;"
        "events { worker_connections 4096; } http { access_log off; keepalive_requests 100000000; tcp_nodelay on;"
        f"client_body_buffer_size 1m; client_max_body_size 64m; {temporary}"
        f"upstream engine {{ server 127.0.0.1:{engine}; keepalive 256; keepalive_requests 100000000; }}"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://engine; proxy_http_version 1.1;"
        'proxy_set_header Connection ""; proxy_buffering off; } } }'
    )
    return str(conf)


def _litellm_conf(folder: Path, engine: int) -> str:
    conf = folder / "litellm.yaml"
    conf.write_text(
        f"model_list: [{{model_name: {MODEL}, litellm_params: {{model: openai/{MODEL}, "
        f"api_base: 'http://127.0.0.1:{engine}/v1', api_key: sk-1234}}}}]\n"
        "litellm_settings: {num_retries: 0, telemetry: false}\n"
    )
    return str(conf)


def started(
    stack: ExitStack,
    folder: Path,
    name: str,
    port: int,
    command: list[str],
    ready: str = "/v1/models",
    cwd: Path = ROOT,
) -> Target:
    environment = {**os.environ, **LITELLM_ENVIRONMENT, **PAIR_ENVIRONMENT}
    log = folder / f"{name}.log"
    process = launched(stack, log, command, environment, cwd)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(f"http://127.0.0.1:{port}{ready}"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotStarted(f"it did not come up: {log.read_text(errors='replace')[-300:]}")
        time.sleep(0.05)
    return Target(name, port, (psutil.Process(process.pid),))


def launched(
    stack: ExitStack, log: Path, command: list[str], environment: Mapping[str, str], cwd: Path
) -> subprocess.Popen[bytes]:
    """A process whose words go into `log`, and which ends with the stack."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=cwd)
    stack.callback(_end, process)
    return process


def watched(
    stack: ExitStack, folder: Path, name: str, *options: str, checkout: Path = ROOT, environment: Sequence[str] = ()
) -> tuple[Target, Path]:
    """A peer that is ready, and the file in which the stalls of its event loop stand (watched.py).

    `options`: further ones of `ppai serve`. `environment`: a command that runs it in another one. Raises NotStarted.
    """
    port, stalls = free_port(), folder / f"{name}.stalls"
    command = [*environment, sys.executable, str(WATCHED), "stalls", str(stalls), "serve", "--home", str(folder / name)]
    command += ["--no-mdns", "--port", str(port), "--peer-host", "127.0.0.1", *options]
    return started(stack, folder, name, port, command, ready="/ready", cwd=checkout), stalls


def table(rows: Sequence[Mapping[str, object]], names: int) -> str:
    """Rows as a table of Markdown; so many first columns hold names, the others numbers."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * names + "|--:" * (len(rows[0]) - names) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
