"""PostgreSQL's own programs, as they lie beside the cluster, connected as the login that may replicate."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import evolve, field, frozen

from deploy.backup.errors import BackupError
from deploy.local.bootstrap import BACKUP, CONNECT_TIMEOUT_S
from deploy.local.processes import DATABASE_NAME
from deploy.local.records import read_record
from deploy.local.state import StateFolder
from shared.clusters import FIRST, Clusters
from shared.database import is_password_refused
from shared.errors import UnavailableError
from shared.overlap import values

TIMEOUT_S: Final = 3_600


@frozen
class Tools:
    """The programs in `program`, and the server whose login `backup` they use."""

    program: Path
    port: int
    ca: Path
    password: str = field(repr=False)
    host: str = "localhost"

    @property
    def environment(self) -> dict[str, str]:
        """For a program of PostgreSQL: the password is no argument, which every user of the machine can read."""
        return program_environment(self.program) | {"PGPASSWORD": self.password}

    @property
    def server(self) -> str:
        """Where the server is, for the programs; without the password."""
        address = " hostaddr=127.0.0.1" if self.host == "localhost" else ""
        return (
            f"host={self.host}{address} port={self.port} user={BACKUP} sslmode=verify-full"
            f" sslrootcert={self.ca} channel_binding=require connect_timeout={CONNECT_TIMEOUT_S}"
        )

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """The program `name`, begun; what it writes and says is read by whoever began it."""
        command = [str(self.program / "bin" / name), "-d", self.server, "--no-password", *arguments]
        return subprocess.Popen(  # noqa: S603 - a program of ours, no shell
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, name: str, *arguments: str) -> str:
        """What the program `name` said, once it has ended well.

        Raises:
            BackupError: It did not.
        """
        process = self.begin(name, *arguments)
        out, err = process.communicate(timeout=TIMEOUT_S)
        if process.returncode:
            raise BackupError(f"{name} failed: {said(err)}")
        return out.decode()

    def connect(self) -> psycopg.Connection[Any]:
        """The login `backup`, in the control database, or the empty one of its name that other servers have.

        Raises:
            psycopg.Error: The server does not answer, or is not who it should be.
        """
        return psycopg.connect(self.server, dbname=DATABASE_NAME, password=self.password, autocommit=True)

    def is_refused(self) -> bool:
        """Whether the server does not take this password; it may have the one before it still."""
        try:
            self.connect().close()
        except psycopg.OperationalError as error:
            return is_password_refused(error)
        return False


def said(octets: bytes) -> str:
    """The end of what a program said, in one line."""
    return " ".join(octets.decode(errors="replace").split())[-500:]


def program_environment(program: Path) -> dict[str, str]:
    """The wheel's libraries need their own folder named."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"LD_LIBRARY_PATH": str(program / "lib"), "LC_ALL": "C", "TZ": "UTC", "PATH": path}


def find_program(state: StateFolder) -> Path:
    """The folder of PostgreSQL's programs.

    Raises:
        BackupError: They were not unpacked yet.
    """
    found = sorted(state.postgres.glob("program-*"))
    if not found:
        raise BackupError(f"PostgreSQL's programs are not in {state.postgres}: start the platform once")
    return found[-1]


def tools_of(state: StateFolder, server: str = FIRST) -> Tools:
    """The tools for a database server of the installation in `state`.

    Raises:
        BackupError: It has no login for backups yet, or its file does not say where it is.
    """
    file = state.database_secrets_of(server) / BACKUP
    try:
        password, *before = values(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackupError(f"{file}: the password of the login {BACKUP} cannot be read, start this release") from error
    tools = _tools(state, server, password)
    return evolve(tools, password=before[0]) if before and tools.is_refused() else tools


def _tools(state: StateFolder, server: str, password: str) -> Tools:
    if server == FIRST and not state.elsewhere.is_dir():
        port = read_record(state.processes).ports.postgres
        return Tools(find_program(state), port, state.ca_certificate, password)
    folder = state.elsewhere if server == FIRST else state.clusters
    try:
        where = Clusters(folder).find(server)
    except UnavailableError as error:
        raise BackupError(f"{folder} does not say where the database server {server} is") from error
    return Tools(find_program(state), where.port, where.ca, password, where.host)


def run_program(program: Path, name: str, arguments: Sequence[str], **how: Any) -> str:
    """What a program said that needs no server, once it has ended well; `how` as `subprocess.run` takes it.

    Raises:
        BackupError: It did not.
    """
    command = [str(program / "bin" / name), *arguments]
    try:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(  # noqa: S603 - a program of ours, no shell
            command, env=program_environment(program), capture_output=True, timeout=TIMEOUT_S, check=False, **how
        )
    except subprocess.TimeoutExpired as error:
        raise BackupError(f"{name} did not end within {TIMEOUT_S} s") from error
    if done.returncode:
        raise BackupError(f"{name} failed: {said(done.stderr or done.stdout)}")
    return done.stdout.decode()
