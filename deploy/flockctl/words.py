"""What a person types for a project, device, person or flag, before it goes anywhere."""

import re
from typing import Any, Final

from deploy.flockctl.errors import CommandError, ExitStatus
from shared.names import clean_name

MAX_KEY: Final = 2**53 - 1
MAX_KEY_DIGITS: Final = 16
MAX_FLAGS: Final = 40
_STAGES: Final = frozenset({"dev", "prod"})
_FLAG: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,39}", re.ASCII)


def key_or_name(word: str, *, what: str) -> int | str:
    """A key where `word` is all ASCII digits, else a name: no name consists of digits alone.

    Raises:
        CommandError: The number is out of range.
        shared.errors.InvalidArgumentError: The name is malformed.
    """
    if word.isascii() and word.isdigit():
        digits = word.lstrip("0")
        if not digits or len(digits) > MAX_KEY_DIGITS or int(digits) > MAX_KEY:
            raise CommandError("invalid_argument", f"{what}: a key is a number from 1 to {MAX_KEY}", argument=what)
        return int(digits)
    return clean_name(word, what=what)


def stage_of(word: str) -> str:
    """A stage of an app, as procedures are told.

    Raises:
        CommandError: It is none.
    """
    if word.lower() not in _STAGES:
        raise CommandError("invalid_argument", "stage is dev or prod", ExitStatus.USAGE, argument="stage")
    return word.upper()


def flags_of(word: str) -> list[str]:
    """The flags in `word`, which has commas between them; each once, in capitals.

    Raises:
        CommandError: One is malformed, or they are too many. Which flags there are the platform knows.
    """
    said = [each.strip() for each in word.split(",", MAX_FLAGS)]
    if len(said) > MAX_FLAGS or not all(_FLAG.fullmatch(each) for each in said):
        raise CommandError(
            "invalid_argument",
            "flags are words like READ,OPERATE with commas between them; `flockctl flags` lists them",
            ExitStatus.USAGE,
            argument="flags",
        )
    return list(dict.fromkeys(each.upper() for each in said))


def port_of(word: str) -> dict[str, Any]:
    """A port of an app and what it speaks, as procedures are told: `80`, or `22/tcp`.

    Raises:
        CommandError: It is none.
    """
    number, _, protocol = word.partition("/")
    if not number.isdecimal():
        raise CommandError("invalid_argument", f"{word!r} is no port; say it as 80 or 22/tcp")
    return {"port": int(number), **({"protocol": protocol} if protocol else {})}
