"""Arguments and options that several commands about rights have."""

from typing import Annotated, Any

import typer

from deploy.flockctl import completion
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.times import end
from deploy.flockctl.words import flags_of, key_or_name
from shared.names import clean_text

Who = Annotated[str, typer.Argument(help="Their login name or account key.", metavar="WHO")]
OrMe = Annotated[str | None, typer.Argument(help="Their login name or account key (default: you).", metavar="WHO")]
OrMeAndFlag = Annotated[
    list[str],
    typer.Argument(
        help="A person (default: you) and a flag; `flockctl flags` lists those.",
        metavar="[WHO] FLAG",
        autocompletion=completion.flags,
    ),
]
Flag = Annotated[
    str, typer.Argument(help="As `flockctl flags` lists them.", metavar="FLAG", autocompletion=completion.flags)
]
Flags = Annotated[
    str,
    typer.Argument(help="One or more, with commas: READ,OPERATE.", metavar="FLAGS", autocompletion=completion.flags),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        help="device:press-1, project:plant, group:line-4, app:press, board:7, data_backend:7, or installation.",
        autocompletion=completion.things,
    ),
]
OnKind = Annotated[
    str,
    typer.Option(
        "--on",
        help="device, project, group, app, board, data_backend or installation.",
        metavar="KIND",
        autocompletion=completion.kinds,
    ),
]
DespiteLocks = Annotated[
    bool, typer.Option("--despite-locks", help="Also where a lock keeps them out: as it is when that ends.")
]
Project = Annotated[str, typer.Argument(help="Its name or key.", metavar="PROJECT")]
InProject = Annotated[str, typer.Option("--project", help="The project's name or key.")]
WithinProject = Annotated[
    str | None, typer.Option("--project", help="The project's name or key; needed where two have the name.")
]
Until = Annotated[str | None, typer.Option(help="When it ends: RFC 3339, or a local date or time.")]
For = Annotated[str | None, typer.Option("--for", help="How long it lasts: 30m, 8h, 7d, 2w.")]
At = Annotated[str | None, typer.Option(help="As it was then: RFC 3339, a local date or time, or 24h, 7d ago.")]
Because = Annotated[str, typer.Option(help="Why; the history and the audit log remember it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def account_of(who: str) -> int | str:
    """A person as procedures are told; errors as `key_or_name`."""
    return key_or_name(who, what="account")


def me_or(who: str | None) -> dict[str, Any]:
    """The argument for a person who may be left out."""
    return {} if who is None else {"account": account_of(who)}


def project_of(project: str) -> int | str:
    """A project as procedures are told; errors as `key_or_name`."""
    return key_or_name(project, what="project")


def who_and_flag(words: list[str]) -> tuple[dict[str, Any], str]:
    """The person's argument and the flag, of one or two words.

    Raises:
        CommandError: They are more, or the flag is malformed.
    """
    *people, last = words
    flags = flags_of(last)
    if len(people) > 1 or len(flags) > 1:
        raise CommandError("usage", "say one person at most, and one flag. See --help.", ExitStatus.USAGE)
    return me_or(people[0] if people else None), flags[0]


def one_flag(word: str) -> str:
    """The flag.

    Raises:
        CommandError: It is malformed, or several.
    """
    return who_and_flag([word])[1]


def ending(operator: Operator, until: str | None, lasting: str | None) -> dict[str, Any]:
    """The argument for an end, where there is one; errors as `end`."""
    ends_at = end(until, lasting, now=operator.reactor.seconds())
    return {} if ends_at is None else {"ends_at": ends_at}


def reason_of(because: str) -> dict[str, Any]:
    """The argument for why.

    Raises:
        shared.errors.InvalidArgumentError: It is too long, or has control characters.
    """
    return {"reason": clean_text(because, what="because")}
