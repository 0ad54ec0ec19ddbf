"""Becomes another program, in a session of its own, as another user if told so, that ends when its parent ends.

Run as a file by a bare interpreter (`python -I -S leash.py PARENT SIGNAL UID GID DATA PROGRAM ...`), never imported by
what it starts. A session of its own keeps the terminal's Ctrl-C and hang-up away from the program: the launcher alone
gets them, and stops everything in its order. Source: prctl(2) PR_SET_PDEATHSIG.
"""

import ctypes
import os
import resource
import sys

PR_SET_PDEATHSIG = 1
KEEP = -1


def end_with_parent(parent: int, signal_number: int) -> None:
    """Have the kernel send us `signal_number` when process `parent` is gone, however it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:  # it went before we asked
        sys.exit(1)


def become(uid: int, gid: int) -> None:
    """Give up our user for `uid`, for good."""
    if uid != KEEP:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)


def allow_open_files() -> None:
    """Take as many open files as we may have: the router needs one for each device."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def bound_data(octets: int) -> None:
    """Let this process, and each that it begins, have so much memory of its own and no more. Source: setrlimit(2)."""
    if octets != KEEP:
        resource.setrlimit(resource.RLIMIT_DATA, (octets, octets))


def main(arguments: list[str]) -> None:
    """Set everything up, then replace this process by the program."""
    parent, signal_number, uid, gid, data = (int(argument) for argument in arguments[:5])
    program = arguments[5:]
    os.setsid()
    os.umask(0o077)
    allow_open_files()
    bound_data(data)
    become(uid, gid)
    # After the change of user, because that clears it.
    end_with_parent(parent, signal_number)
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
