"""Ports that are free at the moment, below those that the kernel gives to clients."""

import socket
from pathlib import Path
from secrets import randbelow
from typing import Final

from deploy.local.settings import LAST_OFFSET

LOWEST_PORT: Final = 10_000


def free_port_base() -> int:
    """The first of the ports of a platform, all of them free; by chance, since others look at the same time."""
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        base = LOWEST_PORT + randbelow(max(ephemeral, 32_768) - LOWEST_PORT - LAST_OFFSET)
        if all(_is_free(base + offset) for offset in range(LAST_OFFSET + 1)):
            return base


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
