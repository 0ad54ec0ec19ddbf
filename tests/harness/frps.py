"""The real frps, with the configuration of `deploy/frps`, asking a plugin on this machine."""

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from services.tunnels.records.plugin import Fleet, Node
from services.tunnels.records.tunnels import PortRange
from tests.harness.ports import free_ports

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "frps" / "frps.toml"
LOCAL: Final = "127.0.0.1"


def local_fleet() -> Fleet:
    """One node on this machine, on ports that nobody has."""
    bind_port, http_port, https_port = free_ports(3)
    node = Node("frps-1", "s" * 43, "localhost", "127.0.0.1", bind_port, http_port, https_port)
    return Fleet((node,), frozenset({LOCAL}))


class Frps:
    """One process. Used in a `with` block."""

    def __init__(self, program: Path, folder: Path, node: Node, allotted: PortRange, **more: Any) -> None:
        """Be `node`; `more` has the files `ca`, `certificate` and `key`, the port `plugin`, and the `domain`."""
        self._program = program
        self.node = node
        self._log = folder / "frps.log"
        self._environment = {
            **os.environ,
            "SSL_CERT_FILE": str(more["ca"]),
            "FRPS_BIND_ADDR": LOCAL,
            "FRPS_BIND_PORT": str(node.bind_port),
            "FRPS_INSIDE_ADDR": LOCAL,
            "FRPS_HTTP_PORT": str(node.http_port),
            "FRPS_HTTPS_PORT": str(node.https_port),
            "FRPS_DOMAIN": more["domain"],
            "FRPS_FIRST_PORT": str(allotted.first),
            "FRPS_LAST_PORT": str(allotted.last),
            "FRPS_CERTIFICATE": str(more["certificate"]),
            "FRPS_KEY": str(more["key"]),
            "FRPS_NODE": node.name,
            "FRPS_SECRET": node.secret,
            "FRPS_PLATFORM": f"localhost:{more['plugin']}",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", CONFIGURATION],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text(encoding="utf-8")
