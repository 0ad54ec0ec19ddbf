"""Nothing that the platform says waits for an acknowledgement: its connections are without the delay of Nagle."""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness.clients import join_person
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

PIDFD_GETFD: Final = 438
SERVICES: Final = ("auth", "realms", "devices", "privileges", "audit", "gateway", "fleetdb", "tunnels")


def connections_of(process: int) -> Iterator[socket.socket]:
    """Copies of the TCP connections that `process` has; they have its options."""
    system = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(process)
    try:
        for each in Path(f"/proc/{process}/fd").iterdir():
            copied = system.syscall(PIDFD_GETFD, handle, int(each.name), 0)
            if copied < 0:
                if ctypes.get_errno() == 1:
                    pytest.skip("this machine does not let us look at the sockets of other processes")
                continue  # it is closed by now
            with suppress(OSError), closing(socket.socket(fileno=copied)) as found:
                found.getpeername()
                if found.type == socket.SOCK_STREAM and found.family in {socket.AF_INET, socket.AF_INET6}:
                    yield found
    finally:
        os.close(handle)


def told(found: socket.socket) -> tuple[Any, Any]:
    return found.getsockname(), found.getpeername()


@pytest.mark.asyncio
async def test_no_connection_of_the_platform_keeps_small_messages_back(ironflock: RunningPlatform) -> None:
    async with await join_person(ironflock):
        processes = {"router": ironflock.pid("router"), **{name: ironflock.pid(name) for name in SERVICES}}

        delayed, seen = [], set()
        for name, process in processes.items():
            for each in connections_of(process):
                seen.add(name)
                if not each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY):
                    delayed.append((name, *told(each)))

    assert seen == set(processes)
    assert delayed == []
