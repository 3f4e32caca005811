"""Serving: a configuration is checked, then a peer runs until it is told to stop."""

import asyncio
import sys
import time
from pathlib import Path

from gateway.capacity.hours import read_hours
from gateway.client.api_keys import ApiKeys, check_reachable
from gateway.client.app import check_pages
from gateway.config import Config
from gateway.engines.fleet import check_all
from gateway.home.folder import Home
from gateway.peering import network
from gateway.privacy.rules import Rules
from gateway.runtime.peer import Runtime, Say
from gateway.server.event_loop import call_on_stop, collect_from_now, new_event_loop
from gateway.server.listeners import check_places
from gateway.telemetry import otel
from gateway.telemetry.kept_log import KeptLog
from gateway.telemetry.log_lines import log_to_stderr
from gateway.telemetry.notices import limit_lines
from gateway.topics import reader
from profiler.allocator import return_large_blocks
from profiler.qagate import QAGate

THREAD_TURN_S = 0.001  # after which a thread gives way to the event loop: one that reads a large body holds it up less


def run_peer(config: Config, home: Home, say: Say) -> None:
    """Serve until SIGTERM or ^C. Raises HomeError, PortTaken.

    The garbage collector may be off until then: hardly anything becomes garbage before a peer serves.
    """
    return_large_blocks()
    gate = check(config, home)
    log = KeptLog(home.path / "peer.log")
    log_to_stderr(config.log_level, log.handler, config=config.log)
    limit_lines(time.monotonic)
    sys.setswitchinterval(THREAD_TURN_S)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(config, home, gate, say, log))


def check(config: Config, home: Home) -> QAGate:
    """The configured gate, which is read for it.

    Raises what `run_peer` would raise of this configuration, before anything starts; makes and changes nothing.
    """
    check_places((config.client.host, config.client.port), (config.peer.host, config.peer.port))
    check_pages(config.client)
    check_reachable(config.client.host, ApiKeys(home.api_keys_file), config.client.api_keys == "open")
    network.check(config.network, home.path)
    check_all(config.own_engines)
    gate = reader.check(config.routing)
    Rules(config.privacy, str(Path.home()), gate.categories)
    read_hours(config.admission.hours)
    otel.check(config.otel)
    return gate


async def _serve(config: Config, home: Home, gate: QAGate, say: Say, log: KeptLog) -> None:
    stop = asyncio.Event()
    call_on_stop(asyncio.get_running_loop(), stop.set)
    async with Runtime(config, home, gate, say, log, stop) as runtime:
        collect_from_now()
        await runtime.run()
