"""The filter, run by hand as the kernel runs it."""

import struct
from pathlib import Path

import pytest

from profiler.syscalls import filter_for, number_of

ALLOWED, EPERM, ENOSYS, KILLED = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def said(machine: str, call: int, architecture: int, programs: bool = False, flags: int = 0) -> int:
    """What the filter returns for a call, whose first argument is `flags`."""
    program = filter_for(machine, programs)
    assert program
    instructions = list(struct.iter_unpack("=HBBI", program))
    held, at = 0, 0
    while True:
        code, then, otherwise, value = instructions[at]
        at += 1
        if code == 0x20:
            held = {0: call, 4: architecture, 16: flags}[value]
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += then if holds else otherwise


@pytest.mark.parametrize(
    ("machine", "allowed", "refused"),
    [
        ("x86_64", {"read": 0, "write": 1, "mmap": 9, "getrandom": 318}, {"socket": 41, "kill": 62}),
        (
            "aarch64",
            {"read": 63, "write": 64, "mmap": 222, "getrandom": 278},
            {"socket": 198, "kill": 129},
        ),
    ],
)
def test_computing_is_allowed_and_reaching_out_is_not(
    machine: str, allowed: dict[str, int], refused: dict[str, int]
) -> None:
    architecture = ARCHITECTURES[machine]

    assert {ALLOWED} == {said(machine, call, architecture) for call in allowed.values()}
    for name, call in refused.items():
        assert call == number_of(name, machine)
        assert EPERM == said(machine, call, architecture)


@pytest.mark.parametrize("name", ["fork", "clone", "execve", "unshare", "mount", "ptrace", "vmsplice", "prctl"])
def test_no_refused_call_is_let_through(name: str) -> None:
    for machine, architecture in ARCHITECTURES.items():
        if (call := number_of(name, machine)) is not None:
            assert EPERM == said(machine, call, architecture)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_programs_may_start_others_but_in_no_namespaces_of_their_own(machine: str) -> None:
    architecture = ARCHITECTURES[machine]
    for name in ("clone", "execve", "kill", "fchmod"):
        assert ALLOWED == said(machine, number_of(name, machine) or 0, architecture, programs=True)
    clone = number_of("clone", machine) or 0
    for kind in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert EPERM == said(machine, clone, architecture, programs=True, flags=kind | 17)
    for name in ("socket", "unshare", "mount", "ptrace", "prctl", "setns", "bpf"):
        assert EPERM == said(machine, number_of(name, machine) or 0, architecture, programs=True)
    assert ENOSYS == said(machine, 435, architecture, programs=True)
    assert KILLED == said(machine, clone, 0x40000003, programs=True)


@pytest.mark.parametrize("call", [424, 435, 442, 600, 0x40000000, 2**32 - 1])
def test_calls_still_to_come_do_not_exist(call: int) -> None:
    assert ENOSYS == said("x86_64", call, ARCHITECTURES["x86_64"])


def test_another_architectures_call_ends_the_process() -> None:
    assert KILLED == said("x86_64", 0, 0x40000003)


def test_an_unknown_machine_has_no_filter() -> None:
    assert filter_for("pdp11") is None
    assert number_of("fork", "pdp11") is None


def test_the_numbers_are_the_kernels() -> None:
    headers = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not headers.exists():
        pytest.skip("no kernel headers are installed here")
    kernel = dict(line.split()[1:3] for line in headers.read_text().splitlines() if line.startswith("#define __NR_"))

    for name in ("fork", "socket", "memfd_create", "pivot_root", "capset", "seccomp", "sched_setattr", "io_setup"):
        assert int(kernel[f"__NR_{name}"]) == number_of(name, "x86_64")
