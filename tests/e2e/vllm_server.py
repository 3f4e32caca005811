"""Real engines on this CPU, as processes that a test owns: vLLM, and `transformers serve` of the same environment."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.vllm_env import MODEL, VLLM
from tests.fakes import free_port

READY_WITHIN_S = 180.0  # 38 s on idle cores, 78 s on busy ones: three processes import torch one after another

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",  # 2 threads on shared cores: 2 tok/s instead of 30
}


class EngineServer:
    """`with EngineServer(log) as server:` is ready to be asked at `server.url` for `server.model`."""

    model: str

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self.log, self._environment = log, environment
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def arguments(self) -> list[str]:
        """What the environment's Python is given."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        command = [str(VLLM / "bin" / "python"), *self.arguments()]
        environment = {**os.environ, **_ENVIRONMENT, **self._environment}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"{type(self).__name__} did not come up:\n{self.log.read_text(errors='replace')[-2000:]}")

    def _end(self) -> None:
        """The whole process group: killed alone, the API server leaves its engine and its worker behind."""
        for number, patience_s in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(patience_s)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


class VllmServer(EngineServer):
    """vLLM."""

    model = "smollm2-vllm"
    context_tokens = 1024

    def __init__(self, log: Path) -> None:
        super().__init__(
            log,
            {
                "VLLM_NO_USAGE_STATS": "1",
                "VLLM_HOST_IP": "127.0.0.1",  # its processes talk over loopback, not over the machine's address
                "VLLM_CPU_OMP_THREADS_BIND": "nobind",
                "TORCHDYNAMO_DISABLE": "1",  # else the first request for logprobs compiles for 7 s
            },
        )

    def arguments(self) -> list[str]:
        # The module, not the `vllm` command: that one looks itself up under a name that the CPU package does not have.
        return [
            "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL), "--served-model-name", self.model,
            "--host", "127.0.0.1", "--port", str(self.port), "--dtype", "bfloat16", "--enforce-eager",
            "--max-model-len", str(self.context_tokens), "--max-num-seqs", "8",
            "--kv-cache-memory-bytes", str(128 << 20),
            "--enable-auto-tool-choice", "--tool-call-parser", "hermes",  # else `tools` is a 400
        ]  # fmt: skip


class TransformersServer(EngineServer):
    """`transformers serve`. It lists what was downloaded, and fails to where nothing was; its model is a folder."""

    model = str(MODEL)

    def __init__(self, log: Path) -> None:
        super().__init__(log, {"HF_HOME": str(log.with_name("no-downloads"))})

    def arguments(self) -> list[str]:
        serve = ["-m", "transformers.cli.transformers", "serve", self.model, "--continuous-batching"]
        return [*serve, "--host", "127.0.0.1", "--port", str(self.port), "--device", "cpu"]
