"""A small shell on a terminal of a device, and what a visitor saw of it; both remember when which octets went."""

import os
import pty
import socket
import subprocess
import time
from threading import Thread
from typing import IO

from attrs import define, field

CHUNK = 65_536
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PS1": "$ ", "LC_ALL": "C.UTF-8", "TERM": "dumb"}


@define
class Course:
    """Octets, each piece with the moment at which it was there (seconds of the machine's clock that goes forward)."""

    pieces: list[tuple[float, bytes]] = field(factory=list)

    @property
    def octets(self) -> bytes:
        return b"".join(octets for _, octets in self.pieces)

    def moment_of(self, offset: int) -> float:
        """When the octet before `offset` was there."""
        at = 0
        for moment, octets in self.pieces:
            at += len(octets)
            if at >= offset:
                return moment
        raise AssertionError(f"there are {at} octets, not {offset}")


@define
class Shell:
    """Serves one connection with a shell; `said` is what it said, each piece with the moment before it was sent."""

    said: Course = field(factory=Course)

    def serve(self, connection: socket.socket) -> None:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            ["/bin/sh"], stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT, start_new_session=True
        ) as shell:
            os.close(theirs)
            Thread(target=_type, args=[connection, ours], daemon=True).start()
            try:
                while octets := os.read(ours, CHUNK):
                    self.said.pieces.append((time.monotonic(), octets))
                    connection.sendall(octets)
            except OSError:
                pass  # so a terminal ends
            shell.kill()
        connection.shutdown(socket.SHUT_RDWR)


def _type(connection: socket.socket, terminal: int) -> None:
    try:
        while octets := connection.recv(CHUNK):
            os.write(terminal, octets)
    except OSError:
        return


def watched(output: IO[bytes]) -> Course:
    """What comes out there from now on, each piece with the moment after it was read."""
    course = Course()

    def watch() -> None:
        while octets := os.read(output.fileno(), CHUNK):
            course.pieces.append((time.monotonic(), octets))

    Thread(target=watch, daemon=True).start()
    return course
