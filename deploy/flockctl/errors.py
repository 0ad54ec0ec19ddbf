"""How a command ends when it does not end well. Codes and exit statuses are what scripts rely on: they stay."""

from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from shared import errors as platform
from shared.errors import PublicError, UnavailableError


class ExitStatus(IntEnum):
    """The exit statuses of flockctl."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNAVAILABLE = 3
    NO = 4  # `can`: asked and answered, and the answer is no
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class CommandError(Exception):
    """A command did not do what was asked; the text says why and what to do."""

    def __init__(self, code: str, message: str, status: ExitStatus = ExitStatus.REFUSED, **details: Any) -> None:
        """End with `status`; `code` is stable, `details` are JSON values for programs."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = details


class AwayError(CommandError):
    """The router or a service is away; nothing was done, so the same thing may be tried again."""

    def __init__(self, message: str, **details: Any) -> None:
        """Say who is away."""
        super().__init__("unavailable", message, ExitStatus.UNAVAILABLE, **details)


class RefusedKeyError(CommandError):
    """The platform does not take the API key."""

    def __init__(self, where: str = "") -> None:
        """Say why it may be, and what to do; `where` the key comes from."""
        said = f"the API key{where} was refused: it is unknown, ended or revoked, or of another platform"
        super().__init__("not_authenticated", f"{said}; name the file of another with --api-key-file")

    def of_file(self, file: Path) -> "RefusedKeyError":
        """The same, naming the file that the key was read from."""
        return RefusedKeyError(f" in {file}")


OUTCOME_UNKNOWN: Final = "the connection ended before the answer came: look whether it was done before trying again"


class OutcomeUnknownError(CommandError):
    """The request was sent and no answer came back, or the platform itself does not know what became of it."""

    def __init__(self, message: str = OUTCOME_UNKNOWN, **details: Any) -> None:
        """Say so."""
        super().__init__("outcome_unknown", message, ExitStatus.UNAVAILABLE, **details)


def from_public(error: PublicError) -> CommandError:
    """What a refusal in the platform's vocabulary is for a command."""
    details = {name: value for name, value in error.details().items() if name not in ("code", "message")}
    if isinstance(error, platform.OutcomeUnknownError):  # before `unavailable`, which says that nothing was done
        return OutcomeUnknownError(error.message, **details)
    if isinstance(error, UnavailableError):
        return AwayError(error.message, **details)
    return CommandError(error.code, error.message, **details)
