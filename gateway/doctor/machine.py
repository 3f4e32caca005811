"""Checks of this machine: the home, the disk, keys, weights, ports. None of them needs a running peer."""

import datetime
import shutil
from functools import partial
from pathlib import Path

from discovery.identity import IdentityError, look_at
from discovery.private_files import OpenToOthers
from gateway.doctor.finding import Finding, tried
from gateway.home.folder import Home, HomeError
from gateway.home.port_owner import name_of, owner_of
from gateway.home.weights import CATALOGUE, WeightsMissing, locate
from gateway.server.listeners import PortTaken, bind

LEAST_FREE_BYTES = 200_000_000  # the larger of the weights is 93 MB to fetch and 98 MB when unpacked
SOON = datetime.timedelta(days=30)  # a certificate this close to its end is replaced at the next start
WITHOUT = {
    "encoder": "topics are told apart by the fast encoder alone, which is less sure",
    "smollm2": "there is no embedded engine; another engine needs none",
}


def home_findings(home: Home) -> list[Finding]:
    """Whether the home can be used as it is, and its disk. Makes nothing."""
    if not home.path.exists():
        found = Finding("home", None, f"there is no home at {home.path} yet", "run `ppai init` or `ppai serve`")
    else:
        fails = "the home cannot be used as it is"
        found = tried("home", f"the home is {home.path}", fails, home.prepare, HomeError, OpenToOthers)
    return [found, _disk(home.path)]


def _disk(path: Path) -> Finding:
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding("disk", None, f"how much room is left for the home was not told: {error.strerror}")
    said = f"{free / 1e9:.1f} GB are free where the home is"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", False, said, "free some room, or choose another home with --home DIR")
    return Finding("disk", True, said)


def identity_findings(home: Home, now: datetime.datetime) -> list[Finding]:
    """The key that is this peer's id, and its certificate. `now` is UTC."""
    try:
        seen = look_at(home.path)
    except IdentityError as error:
        return [Finding("identity", False, "the key of this peer, or its certificate, cannot be used", str(error))]
    if seen.id is None:
        return [Finding("identity", None, "there is no key yet: the first start makes it")]
    found = [Finding("identity", True, f"the key is readable by its user alone; this peer is {seen.id[:10]}")]
    if seen.ends is None:
        return [*found, Finding("certificate", None, "there is no certificate: the next start makes one")]
    said = f"the certificate holds until {seen.ends:%Y-%m-%d}"
    if seen.ends <= now:
        return [
            *found,
            Finding("certificate", False, said, "start the peer anew, which makes another; or set the clock"),
        ]
    if seen.begins and seen.begins > now:
        said = f"the certificate holds from {seen.begins:%Y-%m-%d} on, which is not yet by the clock of this machine"
        return [*found, Finding("certificate", False, said, "set the clock")]
    soon = "the next start makes another" if seen.ends - now < SOON else ""
    return [*found, Finding("certificate", True, said, soon)]


def weights_findings(home: Home) -> list[Finding]:
    """Whether the weights are there and whole; that they are not there is no fault."""
    found = []
    for name in CATALOGUE:
        check, folder = f"weights-{name}", home.weights / name
        if not folder.exists():
            found.append(Finding(check, None, f"{name} is not there: {WITHOUT[name]}", f"run `ppai pull {name}`"))
            continue
        fails = f"{name} is there, but not whole"
        holds, whole = f"{name} is in {folder}", partial(locate, name, home.weights)
        found.append(tried(check, holds, fails, whole, WeightsMissing))
    return found


def port_finding(check: str, host: str, port: int, flag: str) -> Finding:
    """Whether a peer that starts now could listen there."""
    where = f"port {port} of {host}"
    if port == 0:
        return Finding(check, True, "any free port is taken")
    try:
        bind(host, port, flag).close()
    except PortTaken as error:
        return Finding(check, False, f"a peer cannot listen on {where}{_holder(host, port)}", str(error))
    return Finding(check, True, f"{where} is free")


def _holder(host: str, port: int) -> str:
    """Who listens there, as far as the system tells."""
    any_host = {"0.0.0.0": ("0.0.0.0", "127.0.0.1"), "::": ("::", "::1", "0.0.0.0")}
    for ip in any_host.get(host, (host, "0.0.0.0")):
        if (owner := owner_of(ip, port)) is not None:
            return f": a program of `{name_of(owner)}` does{_program(port)}"
    return _program(port)


def _program(port: int) -> str:
    """` (NAME, process N)`; empty where the system does not tell, as it does not of other users' programs."""
    import psutil  # type: ignore[import-untyped]  # it comes without types; loaded only where a port is taken

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if listens and connection.pid:
                return f" ({psutil.Process(connection.pid).name()}, process {connection.pid})"
    except psutil.Error:
        pass
    return ""
