"""Runs llama.cpp's own HTTP server, as the child process of gateway/engines/embedded.py.

The first line of standard input is the API key. When standard input ends, the parent has ended, however that came, and
this process ends too. It has nothing to save, so SIGTERM ends it at once.
"""

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

CANNOT = "llama.cpp cannot "  # how the line begins that says why this process ends; the parent looks for it


def main() -> None:
    options = _options()
    api_key = sys.stdin.readline().strip()
    if not api_key:
        sys.exit("no API key on standard input: this program is started by `ppai serve`")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        import xllamacpp
    except ImportError as e:
        sys.exit(f"{CANNOT}be loaded ({e}): install xllamacpp and, on Debian, libgomp1")
    try:
        server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), options, api_key))
    except RuntimeError:
        sys.exit(f"{CANNOT}serve {options.model}: the lines above say why; a damaged file is pulled again")
    assert server is not None  # its threads serve as long as this object exists
    threading.Event().wait()


def _options() -> "argparse.Namespace":
    import argparse  # the peer itself reads no options here

    parser = argparse.ArgumentParser(prog="llamacpp_server")
    parser.add_argument("--model", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--context-tokens", type=int, required=True)
    parser.add_argument("--http-threads", type=int, required=True)
    return parser.parse_args()


def _end_with_parent() -> None:
    while sys.stdin.read(4096):
        pass
    os._exit(0)


def _parameters(parameters: Any, options: "argparse.Namespace", api_key: str) -> Any:
    parameters.model.path = options.model
    parameters.model_alias = {options.name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options.port
    parameters.reuse_port = True  # the parent holds the port, see embedded.py
    parameters.api_keys = [api_key]
    parameters.n_parallel = options.slots
    parameters.n_ctx = options.context_tokens * options.slots
    parameters.kv_unified = False  # each slot has its own context: one long conversation cannot starve another
    parameters.fit_params = False  # the context is what the configuration says, not what llama.cpp finds fitting
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.threads
    # llama.cpp does not interrupt a batch, so a long one stops the other streams, and goes on after its caller has hung
    # up. A short one costs the prompt little (docs/decisions.md#engines).
    parameters.n_batch = 128
    parameters.n_ubatch = 128
    parameters.n_threads_http = options.http_threads
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = True
    parameters.cache_ram_mib = 0  # by default it keeps finished prompts in 8 GiB of memory
    parameters.cache_idle_slots = False  # needs that cache
    parameters.ui = False
    parameters.verbosity = 2  # warnings; 3 writes lines for every request
    return parameters


if __name__ == "__main__":
    main()
