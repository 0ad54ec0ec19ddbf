"""The real frpc, built by Go's own client at the version that `tests/interop/frpc/go.sum` pins, run as agents do."""

import json
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.harness.go_programs import built

MODULE: Final = Path(__file__).parents[1] / "interop" / "frpc"
PACKAGES: Final = "github.com/fatedier/frp/cmd"


def built_frpc() -> Path:
    """The program; built once, and kept in the user's cache.

    Raises:
        NoProgramError: It cannot be had here.
    """
    return built(MODULE, f"{PACKAGES}/frpc", "frpc", "-tags", "noweb")


def built_frps() -> Path:
    """The same of its server. Raises as `built_frpc`."""
    return built(MODULE, f"{PACKAGES}/frps", "frps", "-tags", "noweb")


class Frpc:
    """One process with the configuration that the agent writes. Used in a `with` block."""

    def __init__(self, program: Path, folder: Path, port: int, proof: str, proxies: list[dict[str, Any]]) -> None:
        """Dial `port`, show `proof`, offer `proxies`."""
        self._program = program
        self._folder = folder
        self.transport: dict[str, Any] = {"tls": {"enable": True}}
        self._configuration = {
            "serverAddr": "127.0.0.1",
            "serverPort": port,
            "loginFailExit": False,
            "metadatas": {"tunnel_proof": proof},
            "proxies": proxies,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "frpc.json"
        log = {"to": str(self._folder / "frpc.log"), "level": "debug"}
        file.write_text(json.dumps({**self._configuration, "transport": self.transport, "log": log}), encoding="utf-8")
        self._process = subprocess.Popen(
            [self._program, "-c", file], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let it stand still, its connection open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        """What it wrote."""
        file = self._folder / "frpc.log"
        return file.read_text(encoding="utf-8") if file.exists() else ""


def tcp(name: str, local: int, remote: int) -> dict[str, Any]:
    """A tcp proxy."""
    return {"name": name, "type": "tcp", "localIP": "127.0.0.1", "localPort": local, "remotePort": remote}


def udp(name: str, local: int, remote: int) -> dict[str, Any]:
    """A udp proxy."""
    return {**tcp(name, local, remote), "type": "udp"}


def http(name: str, local: int) -> dict[str, Any]:
    """An http proxy."""
    subdomain = name.removesuffix("-http")
    return {"name": name, "type": "http", "localIP": "127.0.0.1", "localPort": local, "subdomain": subdomain}
