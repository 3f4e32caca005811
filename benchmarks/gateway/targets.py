"""What is measured: the engine itself, a peer in front of it, and other gateways where they are installed."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.gateway.engine import MODEL

START_TIMEOUT_S = 60.0  # litellm imports for 5 s on an idle machine
ROOT = Path(__file__).parents[2]
LITELLM = ROOT / ".venv-rivals" / "bin" / "litellm"
LITELLM_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_MASTER_KEY": "sk-1234",  # what the driver sends; it refuses to start without one
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
VLLM_ROUTER = ROOT / ".venv-vllm-router" / "bin" / "vllm-router"


class NotStarted(Exception):
    """A target did not come up; carries its last words."""


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who answers on 127.0.0.1:`port`."""

    name: str
    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU time of the process and its children so far."""
        return float(sum(times.user + times.system for times in (process.cpu_times() for process in self._family())))

    def rss_mib(self) -> float:
        return float(sum(process.memory_info().rss for process in self._family()) / (1 << 20))

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def start(stack: ExitStack, folder: Path, rivals: bool, say: Callable[[str], None]) -> list[Target]:
    """The engine first, then a peer, then the rivals that are installed. Raises NotStarted for the first two."""
    port = _free_port()
    engine = _started(stack, folder, "direct", port, [sys.executable, "-m", "benchmarks.gateway.engine", str(port)])
    targets = [engine, _peer(stack, folder, f"http://127.0.0.1:{port}")]
    for name, command in (_rivals(folder, port) if rivals else {}).items():
        if not Path(command(0)[0]).is_file():
            say(f"{name} is not installed and left out")
            continue
        own = _free_port()
        try:
            ready = "/health/liveliness" if name == "litellm" else "/v1/models"
            targets.append(_started(stack, folder, name, own, command(own), ready))
        except NotStarted as error:
            say(f"{name} is left out: {error}")
    return targets


def _peer(stack: ExitStack, folder: Path, engine: str) -> Target:
    port = _free_port()
    command = [sys.executable, "-m", "gateway.cli", "serve", "--home", str(folder / "home"), "--engine", engine]
    command += ["--port", str(port), "--peer-port", "0", "--peer-host", "127.0.0.1", "--no-mdns"]
    return _started(stack, folder, "ppai", port, command, ready="/ready")


def _rivals(folder: Path, engine: int) -> dict[str, Callable[[int], list[str]]]:
    return {
        "nginx": lambda port: [shutil.which("nginx") or "nginx", "-c", _nginx_conf(folder, port, engine)],
        "vllm-router": lambda port: [
            str(VLLM_ROUTER), "--host", "127.0.0.1", "--port", str(port), "--worker-urls", f"http://127.0.0.1:{engine}",
            "--policy", "round_robin", "--prometheus-port", str(_free_port()),
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


def _started(
    stack: ExitStack, folder: Path, name: str, port: int, command: list[str], ready: str = "/v1/models"
) -> Target:
    environment = {**os.environ, **LITELLM_ENVIRONMENT}
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=ROOT)
    stack.callback(_end, process)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(f"http://127.0.0.1:{port}{ready}"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotStarted(f"it did not come up: {log.read_text(errors='replace')[-300:]}")
        time.sleep(0.05)
    return Target(name, port, psutil.Process(process.pid))


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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
