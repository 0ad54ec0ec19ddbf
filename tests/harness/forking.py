"""flockctl as a process of its own without the second that Python needs to load it: forked from one that has.

The parent of them all is started once; it has imported everything but the reactor, whose descriptors nobody may share,
and done nothing. Each run gets its own standard streams, environment, working folder and process, and ends with its own
exit status.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO, Any, Final

from deploy.local.state import REPOSITORY

REQUEST: Final = b"run"
"""Comes with the streams of the new process, and a file that says what it is to do, of whatever length."""
PARENT: Final = "tests.harness.forking"


class Run:
    """One flockctl that runs, or has ended."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start it in `folder`."""
        ours, theirs = socket.socketpair()
        inputs, outputs, errors = os.pipe(), os.pipe(), os.pipe()
        asked = json.dumps({"words": list(arguments), "environment": dict(environment), "folder": str(folder)})
        told = os.memfd_create("asked")
        os.pwrite(told, asked.encode(), 0)
        passed = [inputs[0], outputs[1], errors[1], theirs.fileno(), told]
        socket.send_fds(_parent(), [REQUEST], passed)
        for descriptor in (*passed[:3], told):
            os.close(descriptor)
        theirs.close()
        self._told = ours.makefile("r", encoding="ascii")
        ours.close()
        self.stdin: IO[str] = os.fdopen(inputs[1], "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(outputs[0], encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(errors[0], encoding="utf-8")
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def communicate(self, told: str, timeout_s: float) -> tuple[str, str]:
        """What it writes to both streams until it ends, with `told` on its standard input."""
        said: dict[str, str] = {}
        readers = [
            Thread(target=lambda name=name, stream=stream: said.update({name: stream.read()}), daemon=True)
            for name, stream in (("out", self.stdout), ("err", self.stderr))
        ]
        for reader in readers:
            reader.start()
        try:
            self.stdin.write(told)
            self.stdin.close()
        except BrokenPipeError:
            pass  # it ended without reading
        for reader in readers:
            reader.join(timeout_s)
            assert not reader.is_alive(), f"flockctl did not end within {timeout_s} s"
        self.returncode = int(self._told.readline())
        return said["out"], said["err"]

    def kill(self) -> None:
        """End it, if it runs."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)
        for stream in (self.stdin, self.stdout, self.stderr, self._told):
            stream.close()


@cache
def _parent() -> socket.socket:
    """The one that they are forked from; it ends when this process does, as its socket is closed then."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.set_inheritable(True)
    paths = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, "-m", PARENT, str(theirs.fileno())]
    os.posix_spawn(sys.executable, words, {**os.environ, "PYTHONPATH": paths})
    theirs.close()
    return ours


def serve(requests: socket.socket) -> None:
    """Fork one for each request, until nobody is there to ask."""
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, descriptors, _, _ = socket.recv_fds(requests, len(REQUEST), 5)
        if not asked:
            return
        if os.fork() == 0:
            requests.close()
            with os.fdopen(descriptors.pop(), "rb") as told:
                told.seek(0)
                _watch(json.loads(told.read()), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _load() -> None:
    """Import, before anything is forked, what a command would: all commands, Twisted, autobahn; pydantic for Typer."""
    from pydantic import TypeAdapter  # noqa: F401, PLC0415

    import deploy.flockctl.bus  # noqa: F401, PLC0415
    from deploy.flockctl.__main__ import make_app  # noqa: PLC0415

    make_app()
    assert "twisted.internet.reactor" not in sys.modules


def _watch(asked: dict[str, Any], descriptors: list[int]) -> None:
    """Fork once more, tell its number, and its exit status as soon as it has one."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, status = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(status)
        _become(asked, streams)
    for stream in streams:
        os.close(stream)
    with os.fdopen(status, "w", encoding="ascii", buffering=1) as told:
        told.write(f"{pid}\n")
        _, ended = os.waitpid(pid, 0)
        told.write(f"{os.waitstatus_to_exitcode(ended)}\n")
    os._exit(0)


def _become(asked: dict[str, Any], streams: list[int]) -> None:
    """Be flockctl."""
    from deploy.flockctl.__main__ import main  # noqa: PLC0415 - loaded already

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["flockctl", *asked["words"]]
    sys.stdin, sys.stdout, sys.stderr = (open(0, encoding="utf-8"), open(1, "w"), open(2, "w"))  # noqa: SIM115
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(ended.code or 0))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
