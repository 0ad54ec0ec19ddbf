"""A real OpenSSH server of the test's own: one key opens it, one host key shows who it is."""

import getpass
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until

SBIN: Final = Path("/usr/sbin")
SEPARATION: Final = Path("/run/sshd")
"""Debian's server wants it to be there, for its part without rights."""
NAME: Final = "press"


class Sshd:
    """Listens on a port of this machine. Used in a `with` block."""

    def __init__(self, folder: Path) -> None:
        """Keep keys and configuration in `folder`; the test is skipped where there is no OpenSSH server."""
        program = shutil.which("sshd") or shutil.which("sshd", path=str(SBIN))
        if program is None or shutil.which("ssh") is None:
            pytest.skip("openssh-server is not installed: no ssh goes through a tunnel")
        self._program = program
        self._folder = folder
        [self.port] = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        for name in ("host", "own"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._folder / name)]
            subprocess.run(words, check=True, timeout=30)
        host = (self._folder / "host.pub").read_text(encoding="ascii")
        (self._folder / "known").write_text(f"{NAME} {host}", encoding="ascii")
        configuration = self._folder / "sshd_config"
        lines = (
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self._folder / 'host'}",
            f"AuthorizedKeysFile {self._folder / 'own.pub'}",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            "Subsystem sftp internal-sftp",
        )
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if os.geteuid() == 0:
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
        log = self._folder / "sshd.log"
        self._process = subprocess.Popen([self._program, "-D", "-E", str(log), "-f", str(configuration)])
        wait_until(lambda: log.exists() and "listening" in log.read_text(encoding="utf-8"), 10, "sshd listens")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)

    @property
    def where(self) -> str:
        """Whom `ssh` and `scp` log in as, at the name of the host key."""
        return f"{getpass.getuser()}@{NAME}"

    def options(self, proxy_command: str) -> list[str]:
        """What `ssh` and `scp` are told: to verify the host, and to come by `proxy_command`."""
        said = {
            "ProxyCommand": proxy_command,
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self._folder / "known"),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentityFile": str(self._folder / "own"),
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
        }
        return ["-F", "none", *(word for name, value in said.items() for word in ("-o", f"{name}={value}"))]
