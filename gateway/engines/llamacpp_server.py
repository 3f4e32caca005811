"""llama.cpp's own HTTP server, as the child process of gateway/engines/embedded.py.

The first line of standard input is the API key; when standard input ends the parent is gone, and so is this process,
whatever it is doing and however the parent died. There is nothing to save: SIGTERM ends it at once.
"""

import argparse
import os
import sys
import threading
from typing import Any

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
    assert server is not None  # its threads serve until this object goes
    threading.Event().wait()


def _options() -> argparse.Namespace:
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


def _parameters(parameters: Any, options: argparse.Namespace, api_key: str) -> Any:
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
    # A batch is not interrupted. With 2048 a prompt of 1700 tokens, on one thread, stopped the other streams for 12 s
    # and went on for 11 s after its caller had left; with 128 it is 1.2 s both, and the prompt takes 14 s, not 12.
    parameters.n_batch = 128
    parameters.n_ubatch = 128
    parameters.n_threads_http = options.http_threads
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = True
    parameters.cache_ram_mib = 0  # 8 GiB by default: finished prompts, kept in case they come again
    parameters.cache_idle_slots = False  # needs that cache
    parameters.ui = False
    parameters.verbosity = 2  # warnings; 3 writes lines for every request
    return parameters


if __name__ == "__main__":
    main()
