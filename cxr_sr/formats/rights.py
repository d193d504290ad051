"""Give up rights of a decoding process, before it reads hostile bytes; Linux only.

::

    give_up(address_space, seconds)    # cannot be undone; load all decoders before

Memory, time, processes and open files are limited, and files cannot grow. There are two
more protections. Landlock (since Linux 5.13) forbids to open any file, and to open a
TCP connection. seccomp forbids to start, signal or inspect a process, to make a socket,
and to change the owner, mode or time of a file. Neither needs root, and both work in
containers. If a system lacks one protection, the others still apply.

The process may still use memory and time up to the limits, and write into the pipe to
the parent. The parent accepts only an image.

References
----------
https://docs.kernel.org/userspace-api/landlock.html
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys

if sys.platform != "win32":
    import resource

_KILL_WITH_PARENT, _SET_SECCOMP, _NO_NEW_PRIVILEGES = 1, 22, 38  # of prctl


def give_up(address_space: int, seconds: int) -> None:
    """Give up all rights that are not needed to decode one image.

    Parameters
    ----------
    address_space : limit of the address space in bytes, with the part in use
    seconds : limit of the wall time and, separately, of the processor time
    """
    kernel = ctypes.CDLL(None)
    kernel.prctl(_KILL_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _landlock(kernel)
    _forbid_calls(kernel)
    _bound(address_space, seconds)


def _bound(address_space: int, seconds: int) -> None:
    # The alarm of the kernel also ends native code, even without the parent.
    signal.alarm(seconds)
    bounds = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_CPU: seconds + 1,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for which, bound in bounds.items():
        hard = resource.getrlimit(which)[1]
        lower = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(which, (lower, lower))


# ---- Landlock ------------------------------------------------------------------------

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same on all machines
_ASK_VERSION = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Number of rights to files (bits) in each version of Landlock."""


def _landlock(kernel: ctypes.CDLL) -> None:
    """Forbid to open files; also TCP (version 4) and signals (version 6)."""
    version = kernel.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return
    rights = (1 << _FILE_RIGHTS[min(version, 5)]) - 1
    tcp, scopes = 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0
    known = struct.pack("=3Q", rights, tcp, scopes)
    size = 8 * (1 + (version >= 4) + (version >= 6))
    rules = kernel.syscall(_CREATE_RULESET, known[:size], size, 0)
    if rules < 0:
        return
    kernel.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)


# ---- seccomp -------------------------------------------------------------------------

_MACHINES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
"""AUDIT_ARCH of a machine, and the column of its numbers below."""
_FORBIDDEN = """
    socket 41 198
    socketpair 53 199
    clone 56 220
    clone3 435 435
    fork 57 -
    vfork 58 -
    execve 59 221
    execveat 322 281
    unshare 272 97
    setns 308 268
    kill 62 129
    tkill 200 130
    rt_sigqueueinfo 129 138
    rt_tgsigqueueinfo 297 240
    pidfd_open 434 434
    pidfd_send_signal 424 424
    pidfd_getfd 438 438
    ptrace 101 117
    process_vm_readv 310 270
    process_vm_writev 311 271
    kcmp 312 272
    chmod 90 -
    fchmod 91 52
    fchmodat 268 53
    fchmodat2 452 452
    chown 92 -
    fchown 93 55
    lchown 94 -
    fchownat 260 54
    utime 132 -
    utimes 235 -
    futimesat 261 -
    utimensat 280 88
    setxattr 188 5
    lsetxattr 189 6
    fsetxattr 190 7
    removexattr 197 14
    lremovexattr 198 15
    fremovexattr 199 16
    open_by_handle_at 304 265
    io_uring_setup 425 425
    bpf 321 280
    perf_event_open 298 241
    userfaultfd 323 282
    add_key 248 217
    request_key 249 218
    keyctl 250 219
    shmget 29 194
    msgget 68 186
    semget 64 190
    mq_open 240 180
    setpriority 141 140
    sched_setaffinity 203 122
"""
"""Forbidden calls, with their numbers on x86_64 and on aarch64 (-: no such call). A
list of allowed calls would become wrong, because new C libraries use new calls to
allocate memory. abort() needs tgkill, which stays allowed."""
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in the data that a filter checks
_LOAD, _IF_EQUAL, _IF_NOT_LESS, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # the last with EPERM
_OTHER_ABI = 0x40000000
"""First number of the calls of x32, which are a second set of the x86_64 calls."""


def _forbid_calls(kernel: ctypes.CDLL) -> None:
    """Make the kernel refuse all forbidden calls."""
    if platform.machine() not in _MACHINES or sys.maxsize < 2**32:
        return
    architecture, column = _MACHINES[platform.machine()]
    words = [line.split() for line in _FORBIDDEN.strip().splitlines()]
    numbers = [int(row[column]) for row in words if row[column] != "-"]
    count = len(numbers)
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_NOT_LESS, count + 1, 0, _OTHER_ABI),
        *((_IF_EQUAL, count - n, 0, number) for n, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    steps = ctypes.create_string_buffer(code, len(code))
    filtered = struct.pack("@HP", len(program), ctypes.addressof(steps))
    kernel.prctl(_SET_SECCOMP, 2, filtered, 0, 0)
