"""The system calls that code behind the wall may not make, as a seccomp filter. Pure.

The code computes: it needs memory, files that it may see anyway, and time. So whatever starts a process or a thread,
reaches another process, opens a socket, changes owners, limits or the system is refused with EPERM. A call that is
newer than Linux 5.0 does not exist for it, which covers those that are still to come; libraries then fall back.
"""

import struct

_EVERYWHERE_ABSENT = 424  # since this number all architectures count alike: pidfd, io_uring, clone3, mount's new calls

_REFUSED = {  # name: (number on x86-64, number on arm64 and RISC-V; None where there is no such call)
    # processes and threads: one is all the code has, so its limits of memory and time are those of everything it does
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "execve": (59, 221),
    "execveat": (322, 281),
    "setsid": (112, 157),  # it would leave the group that is killed when the time is up
    "setpgid": (109, 154),
    "prctl": (157, 167),
    # other processes
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "prlimit64": (302, 261),
    "setrlimit": (160, 164),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # sockets, and memory that no limit of a process counts
    "socket": (41, 198),
    "bind": (49, 200),
    "connect": (42, 203),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    # whose a file is, what its owner may do with it, and who looks at it: mounts and Landlock leave these open
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    # namespaces, mounts, and the kernel
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "capset": (126, 91),
    "seccomp": (317, 277),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "io_setup": (206, 0),
    "vmsplice": (278, 75),
}

_OF_PROGRAMS = {  # what a shell and its commands need; only where namespaces keep all other processes and files away
    *("fork", "vfork", "clone", "execve", "execveat", "setpgid", "setsid", "kill", "tkill", "tgkill", "setpriority"),
    *("chmod", "fchmod", "fchmodat", "utime", "utimes", "futimesat", "utimensat"),
}
_NEW_NAMESPACES = 0x7E020000  # the flags of clone that would make some

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "riscv64": (1, 0xC00000F3)}  # column, AUDIT_ARCH

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38


def number_of(call: str, machine: str) -> int | None:
    """The number of a system call in the table above; None for a machine that is not known, or has no such call."""
    return _REFUSED[call][_MACHINES[machine][0]] if machine in _MACHINES else None


def filter_for(machine: str, programs: bool = False) -> bytes | None:
    """The filter as an array of `struct sock_filter`; None for a machine that is not known.

    `machine` is `os.uname().machine`. A process that calls in another architecture's way is killed. With `programs`
    processes may be started, but not in namespaces of their own.
    """
    if machine not in _MACHINES:
        return None
    architecture = _MACHINES[machine][1]
    open_to_them = _OF_PROGRAMS if programs else set()
    refused = [n for call in _REFUSED if call not in open_to_them and (n := number_of(call, machine)) is not None]
    clone = number_of("clone", machine)
    asks_for_namespaces = [
        (_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, 16),  # the lower half of seccomp_data.args[0], in which clone's flags are
        (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        *(asks_for_namespaces if programs else ()),
        (_AT_LEAST, len(refused) + 2, 0, _EVERYWHERE_ABSENT),
        *((_EQUAL, len(refused) - at, 0, number) for at, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
