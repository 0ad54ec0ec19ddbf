"""What commands have in common that work on the installation of this machine, and not over the bus."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deploy.backup.errors import BackupError, UntrustedError
from deploy.flockctl.errors import CommandError
from deploy.local.errors import PlatformError

From = Annotated[Path, typer.Option("--from", help="Folder that the backups are in.", metavar="FOLDER")]
Recipients = Annotated[
    list[str], typer.Option("--recipient", help="Who can open it, `age1...`; may be repeated.", metavar="AGE")
]
Owner = Annotated[
    str | None, typer.Option("--owner", help="Login name of the account whose it becomes.", metavar="LOGIN")
]
Cluster = Annotated[
    str, typer.Option("--cluster", help="The database server that its data come to.", metavar="CLUSTER")
]
IdentityFile = Annotated[
    Path, typer.Option("--identity-file", help="File of the identity that opens it (age-keygen).", metavar="FILE")
]


@contextmanager
def as_commands_fail() -> Iterator[None]:
    """What goes wrong in the block, as a command says it.

    Raises:
        CommandError: Something did.
    """
    try:
        yield
    except UntrustedError as error:
        raise CommandError("untrusted_backup", str(error)) from error
    except (BackupError, PlatformError) as error:
        raise CommandError("backup_failed", str(error)) from error


def text_of_file(path: Path) -> str:
    """What is in `path`.

    Raises:
        BackupError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BackupError(f"{path} cannot be read") from error
