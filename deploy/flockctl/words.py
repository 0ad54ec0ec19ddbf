"""What a person types for a project or device, before it goes anywhere."""

from typing import Final

from deploy.flockctl.errors import CommandError
from shared.names import clean_name

MAX_KEY: Final = 2**53 - 1
MAX_KEY_DIGITS: Final = 16


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
