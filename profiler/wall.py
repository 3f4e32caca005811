"""Puts a wall around the process that calls it, for good: what runs in it afterwards can compute, and nothing else.

Linux only. The process gets namespaces of its own (user, mount, process ids, network, IPC, host name), a root folder
in memory that shows Python's libraries read-only, limits, no privileges, and the filter of syscalls.py. Where they are
refused, as in most containers, Landlock closes all files but those libraries instead: without sockets, processes and
signals, which the filter refuses, files are all that is left to reach. Where neither is to be had the wall does not
stand, and WallError says why. It knows nothing of what runs behind it.
"""

import ctypes
import os
import struct
import sys
import sysconfig
from pathlib import Path

from profiler.syscalls import filter_for, number_of

MEMORY_BYTES = 512 * 2**20
FILE_BYTES = 2**20  # of one file; all files together have what the folder has
FOLDER = "size=16m,nr_inodes=1024,mode=0755"

_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")  # where shared libraries lie
_PROGRAMS = (Path("/usr/bin"), Path("/bin"), Path("/etc/alternatives"))  # the last: Debian's awk is a link into it
_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000  # user mount pid net ipc uts
_PRIVATE, _BIND, _NO_SUID, _NO_DEVICES = 0x44000, 0x5000, 0x2, 0x4  # MS_PRIVATE and MS_BIND with MS_REC
_DETACH = 2
_MOUNT_SETATTR, _RECURSIVE, _READ_ONLY = 442, 0x8000, 0x1 | 0x2 | 0x4  # MOUNT_ATTR: read-only, no set-uid, no devices
_RULESET, _RULE, _RESTRICT = 444, 445, 446  # landlock_create_ruleset, landlock_add_rule, landlock_restrict_self
_EVERY_ACCESS, _READ = 2**15 - 1, 0x4 | 0x8  # LANDLOCK_ACCESS_FS: up to TRUNCATE; READ_FILE and READ_DIR
_DEATH_SIGNAL, _SECCOMP, _NO_NEW_PRIVILEGES = 1, 22, 38  # PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS


class WallError(OSError):
    """The wall does not stand; the message says which step was refused."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def limit(cpu_s: int) -> None:
    """Bound this process's time, memory and files, as far as the system knows such limits."""
    try:
        import resource
    except ImportError:  # Windows has none of them
        return
    bounds = {"CPU": cpu_s, "AS": MEMORY_BYTES, "FSIZE": FILE_BYTES, "NOFILE": 64, "CORE": 0}
    for name, value in bounds.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        except (ValueError, OSError):  # macOS has no limit on memory
            continue


def stand(folder: Path, cpu_s: int, programs: bool = False) -> None:
    """Enclose this process, whose root will be `folder`, an empty one. Call it before any thread starts.

    With namespaces it goes on as process 1 of its own, and the process that called waits for it and ends with it. With
    `programs` it may start the system's programs there; without namespaces nothing would hold those, so no wall stands.
    Raises WallError.
    """
    machine = os.uname().machine if sys.platform == "linux" else ""
    program = filter_for(machine, programs)
    if program is None:
        raise WallError(f"no filter of system calls is known for {sys.platform} {machine}".strip())
    libc = ctypes.CDLL(None, use_errno=True)
    shown = _shown() + ([path for path in _PROGRAMS if path.is_dir()] if programs else [])
    try:
        _enter_namespaces(libc)
        _root(libc, folder, shown, machine, [Path("/dev/null")] if programs else [])
        closed = True
    except OSError as error:
        refused, closed = error, False
    limit(cpu_s)
    _give_up_rights(libc)
    if programs and not closed:
        raise WallError(f"{refused}, and without namespaces nothing holds the programs that a shell starts")
    if not closed:
        _close_files(libc, shown, str(refused))
    rules = _Program(len(program) // 8, program)
    _do("a filter of system calls", libc.prctl(_SECCOMP, 2, ctypes.byref(rules), 0, 0))


def _enter_namespaces(libc: ctypes.CDLL) -> None:
    """Fork: the child is process 1 of the new namespace, the parent waits, and each ends with whoever started it."""
    user, group = os.getuid(), os.getgid()
    try:
        _do("a namespace of its own", libc.unshare(_NAMESPACES))
    finally:  # after it, because new rights clear this; and also where it was refused
        _do("an end with its parent", libc.prctl(_DEATH_SIGNAL, 9, 0, 0, 0))
    child = os.fork()
    if child:
        os.closerange(0, 64)  # the pipes are the child's alone: their other ends must see when it ends
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    _do("an end with its parent", libc.prctl(_DEATH_SIGNAL, 9, 0, 0, 0))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")


def _root(libc: ctypes.CDLL, folder: Path, shown: list[Path], machine: str, devices: list[Path]) -> None:
    """Make `folder` the root: in memory, with the shown folders in their places and read-only, and these devices."""
    root = os.fsencode(folder)
    _do("mounts of its own", libc.mount(b"none", b"/", None, _PRIVATE, None))
    made = libc.mount(b"tmpfs", root, b"tmpfs", _NO_SUID | _NO_DEVICES, FOLDER.encode())
    _do("a root in memory", made)
    read_only = (ctypes.c_uint64 * 4)(_READ_ONLY)
    for path in shown:
        inside = Path(f"{folder}{path}")
        inside.parent.mkdir(parents=True, exist_ok=True)
        if (str(path) in _SYSTEM or path in _PROGRAMS) and path.is_symlink():
            inside.symlink_to(path.readlink())
            continue
        inside.mkdir()
        there = os.fsencode(inside)
        _do(f"showing {path}", libc.mount(os.fsencode(path), there, None, _BIND, None))
        made = libc.syscall(_MOUNT_SETATTR, -100, there, _RECURSIVE, read_only, ctypes.sizeof(read_only))
        _do(f"read-only {path}", made)
    for path in devices:
        inside = Path(f"{folder}{path}")
        inside.parent.mkdir(exist_ok=True)
        inside.touch()
        made = libc.mount(os.fsencode(path), os.fsencode(inside), None, _BIND, None)
        _do(f"showing {path}", made)
    (folder / "tmp").mkdir(exist_ok=True)
    os.chdir(folder)
    _do("a root of its own", libc.syscall(number_of("pivot_root", machine), b".", b"."))
    _do("leaving the old root", libc.umount2(b".", _DETACH))
    os.chdir("/tmp")
    os.environ.update(HOME="/tmp", TMPDIR="/tmp")


def _give_up_rights(libc: ctypes.CDLL) -> None:
    """No privileges, now or later."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _do("no privileges", libc.capset(header, (ctypes.c_uint32 * 6)()))
    _do("no new privileges", libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))


def _close_files(libc: ctypes.CDLL, shown: list[Path], refused: str) -> None:
    """Landlock: read what lies under the shown folders, and write nothing. `refused`: why there is no better."""
    if libc.syscall(_RULESET, None, 0, 1) < 3:  # version 3, of Linux 6.2, is the first that knows truncation
        raise WallError(f"{refused}; allow user namespaces, or use Linux 6.2 with Landlock, which this kernel lacks")
    handled = ctypes.c_uint64(_EVERY_ACCESS)
    ruleset = libc.syscall(_RULESET, ctypes.byref(handled), 8, 0)
    if ruleset < 0:
        raise WallError(f"{refused}, and so was Landlock: {os.strerror(ctypes.get_errno())}")
    for path in shown:
        place = os.open(path, os.O_PATH)
        rule = struct.pack("=Qi", _READ, place)  # struct landlock_path_beneath_attr
        _do(f"showing {path}", libc.syscall(_RULE, ruleset, 1, rule, 0))
        os.close(place)
    _do("Landlock", libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)
    os.chdir("/")


def _shown() -> list[Path]:
    """Python's libraries and the system's, without those that lie inside one another. No home, no /etc, no /proc."""
    python = [Path(sysconfig.get_paths()[kind]) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    python += [Path(path) for path in sys.path if path.endswith(("site-packages", "lib-dynload"))]
    base = Path(sys.base_prefix, "lib")
    python += [base] if any(base.glob("libpython*")) else []  # what a Python of conda's links to lies beside it
    kept: list[Path] = []
    for path in sorted({*map(Path, _SYSTEM), *python}, key=lambda path: len(path.parts)):
        inside = any(path.is_relative_to(other) for other in kept)
        if not inside and path.is_dir():
            kept.append(path)
    return kept


def _do(step: str, returned: int) -> None:
    if returned != 0:
        raise WallError(f"{step} was refused: {os.strerror(ctypes.get_errno())}")
