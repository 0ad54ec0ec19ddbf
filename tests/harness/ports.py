"""Ports that no other test process takes while this one lives, below those that the kernel gives to clients.

A platform that a test stops and starts again must find its ports as it left them: each process of a run therefore
has whole blocks of ports to itself, and names what it has by abstract Unix sockets, which end with it.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from secrets import SystemRandom
from typing import Final

from deploy.local.settings import SECOND_CELL, SECOND_CELL_PORTS

LOWEST_PORT: Final = 10_000
HIGHEST_PORT: Final = 32_767
BLOCK: Final = SECOND_CELL + SECOND_CELL_PORTS


def free_port_base() -> int:
    """The first of the ports of a platform, all of them free, and followed by those that it gives to tunnels."""
    return _block()


def free_ports(count: int) -> list[int]:
    """`count` ports that are free, each another and never given before."""
    return [next(_SINGLE) for _ in range(count)]


def _singles() -> Iterator[int]:
    while True:
        first = _block()
        yield from range(first, first + BLOCK)


_SINGLE: Final = _singles()


def _block() -> int:
    """The first port of a block that is free and now this process's own."""
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    blocks = list(range(LOWEST_PORT, min(ephemeral, HIGHEST_PORT) - BLOCK, BLOCK))
    SystemRandom().shuffle(blocks)  # by chance, since others look at the same time
    for first in blocks:
        if _reserve(first) and all(_is_free(first + offset) for offset in range(BLOCK)):
            return first
    raise RuntimeError(f"all {len(blocks)} blocks of {BLOCK} ports are taken: does an earlier run still live?")


def _reserve(first: int) -> bool:
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0ironflock-test-ports-{first}")
    except OSError:
        name.close()
        return False
    name.detach()  # kept by its number until this process ends
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
