"""Whose program listens on a port of this machine: any user may take a port where our engine or our peer listened.

Linux tells whose a listener is, at once and to everybody. Elsewhere a user sees the ports of his own programs only, so
what others run cannot be told apart, and counts as a stranger's.
"""

import os
import socket
import struct
import sys
from contextlib import suppress
from ipaddress import ip_address

# Numbers of accounts for people begin here; those below are root and what the system or an installer made for services.
FIRST_PERSON = 501 if sys.platform == "darwin" else 1000

# sock_diag(7): struct nlmsghdr, inet_diag_req_v2 and inet_diag_msg of <linux/inet_diag.h>
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_ID = struct.Struct("!HH16s16s4x8s")
_SOCK_DIAG, _BY_FAMILY, _IS_REQUEST, _LISTENING = 4, 20, 1, 1 << 10
_UID_AT = _HEADER.size + 4 + _ID.size + 12
TIMEOUT_S = 1.0  # the kernel answers in microseconds


def owner_of(ip: str, port: int) -> int | None:
    """The user (uid) whose program takes connections to ip:port.

    None where nobody does, where `ip` is a name, and where the system does not tell. Fast, however many
    connections the machine has (docs/decisions.md#engines).
    """
    if sys.platform != "linux":
        return None
    with suppress(OSError, ValueError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        address = ip_address(ip)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        question = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _LISTENING)
        question += _ID.pack(port, 0, address.packed, b"", b"\xff" * 8)
        kernel.settimeout(TIMEOUT_S)
        kernel.sendto(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _IS_REQUEST, 0, 0) + question, (0, 0))
        answer = kernel.recv(4096)
        if _HEADER.unpack_from(answer)[1] == _BY_FAMILY:  # else an error: nobody listens there
            return int(struct.unpack_from("=I", answer, _UID_AT)[0])
    return None


def is_person_else(uid: int) -> bool:
    """Whether this is another person: neither we, nor root, nor an account of the system's."""
    return uid >= FIRST_PERSON and uid != os.geteuid()


def person_on(port: int) -> str | None:
    """Another person whose program listens on this port of loopback; None: nobody's, as far as the system tells."""
    owner = owner_of("127.0.0.1", port)
    return name_of(owner) if owner is not None and is_person_else(owner) else None


def is_our_own(port: int) -> bool:
    """Whether a program of our user listens on this port, for systems where `owner_of` tells nothing. Slow."""
    import psutil  # type: ignore[import-untyped]  # it comes without types; loaded only where it is needed

    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] and process.info["uids"].real == os.geteuid():
            with suppress(psutil.Error):
                connections = process.net_connections("tcp")
                if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
                    return True
    return False


def name_of(uid: int) -> str:
    """What the system calls this user."""
    import pwd  # POSIX only

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
