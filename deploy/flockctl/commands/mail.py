"""`flockctl mail ...`: the messages to people that lie in a folder, where the platform has no mail server."""

import email
from collections.abc import Iterable
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Annotated, Final

import typer
from attrs import frozen

from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.text import is_printable, local_moment, printable

app = typer.Typer(help="Messages to people, on one machine.", no_args_is_help=True)

MAX_OCTETS: Final = 1_048_576
MAX_LISTED: Final = 1_000
MAX_DIGITS: Final = 12  # of Unix seconds
SUFFIX: Final = ".eml"


@frozen
class Message:
    """One message; `message_id` is what its file is called beside the time."""

    message_id: str
    sent_at: int
    recipient: str
    subject: str
    text: str


@command(app, "list")
async def mail_list(
    operator: Operator,
    *,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=MAX_LISTED)] = 50,
) -> None:
    """List the messages, the newest first.

    Example: flockctl mail list --limit 5
    """
    found = [read_message(file) for file in message_files(folder_of(operator))[:limit]]
    payload = [
        {"message": each.message_id, "sent_at": each.sent_at, "to": each.recipient, "subject": each.subject}
        for each in found
    ]
    rows = ((each.message_id, local_moment(each.sent_at), each.recipient, each.subject) for each in found)
    operator.output.result({"messages": payload}, table(("MESSAGE", "SENT", "TO", "SUBJECT"), rows))


@command(app, "show")
async def mail_show(
    operator: Operator,
    message: Annotated[str, typer.Argument(help="Its id, or how that begins; the newest where it is left out.")] = "",
) -> None:
    """Show one message.

    Example: flockctl mail show
    """
    found = read_message(chosen(message_files(folder_of(operator)), message))
    payload = {
        "message": found.message_id,
        "sent_at": found.sent_at,
        "to": found.recipient,
        "subject": found.subject,
        "text": found.text,
    }
    operator.output.result({"message": payload}, as_text(found))


def folder_of(operator: Operator) -> Path:
    """Where the platform puts messages.

    Raises:
        CommandError: It puts them nowhere here.
    """
    folder = operator.endpoints.mail
    if folder is None:
        raise CommandError("no_mail_folder", "this platform sends its messages by a mail server")
    return folder


def message_files(folder: Path) -> list[Path]:
    """The files of messages, the newest first; whatever else lies there is none.

    Raises:
        CommandError: The folder cannot be read.
    """
    try:
        return sorted((file for file in folder.iterdir() if _when(file) is not None), key=_order, reverse=True)
    except OSError as error:
        raise CommandError("unreadable_mail", f"{folder} cannot be read: {error.strerror}") from error


def chosen(files: Iterable[Path], beginning: str) -> Path:
    """The newest of `files` whose id begins so.

    Raises:
        CommandError: There is none.
    """
    found = next((file for file in files if _id(file).startswith(beginning)), None)
    if found is None:
        raise CommandError("no_such_message", "there is no such message; see `flockctl mail list`")
    return found


def read_message(file: Path) -> Message:
    """The message in `file`.

    Raises:
        CommandError: It cannot be read, or is none.
    """
    try:
        with file.open("rb") as stream:
            parsed = email.message_from_bytes(stream.read(MAX_OCTETS), _class=EmailMessage, policy=default)
        text = str(parsed.get_content())
        return Message(_id(file), _when(file) or 0, str(parsed["To"]), str(parsed["Subject"]), text)
    except OSError as error:
        raise CommandError("unreadable_mail", f"{file.name} cannot be read: {error.strerror}") from error
    except (MessageError, LookupError, ValueError, AttributeError) as error:
        raise CommandError("unreadable_mail", f"{file.name} is no message") from error


def as_text(message: Message) -> str:
    """The message for a terminal, which nothing in it steers; its lines stay whole, since links stand in them."""
    head = (f"To: {printable(message.recipient)}", f"Subject: {printable(message.subject)}", "")
    body = (line if is_printable(line) else printable(line) for line in message.text.splitlines())
    return "\n".join((*head, *body))


def _id(file: Path) -> str:
    return file.name.removesuffix(SUFFIX).partition("-")[2]


def _when(file: Path) -> int | None:
    seconds, dash, _ = file.name.partition("-")
    is_message = (
        file.suffix == SUFFIX and dash and seconds.isascii() and seconds.isdigit() and len(seconds) <= MAX_DIGITS
    )
    return int(seconds) if is_message else None


def _order(file: Path) -> tuple[int, int]:
    return _when(file) or 0, file.stat().st_mtime_ns
