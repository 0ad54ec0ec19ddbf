"""Template files of apps: YAML as people write it, JSON as the platform takes it."""

from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.flockctl.errors import CommandError
from deploy.flockctl.text import printable

MAX_OCTETS: Final = 256 * 1024


def template_in(path: Path, *, argument: str = "data_template") -> dict[str, Any]:
    """What the file has, which is to be `argument`; whether it is a template the platform says.

    Raises:
        CommandError: It cannot be read, is too large, or has no YAML mapping.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        raise _refusal(argument, "unreadable_template", path, "cannot be read") from error
    if len(content) > MAX_OCTETS:
        raise _refusal(argument, "malformed_template", path, f"has more than {MAX_OCTETS // 1024} KiB")
    try:
        decoded = msgspec.yaml.decode(content)
        if _size(decoded, MAX_OCTETS) > MAX_OCTETS:
            raise _refusal(argument, "malformed_template", path, "comes to too much, once its aliases are written out")
        found = msgspec.to_builtins(decoded)  # dates become texts
    except (msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
        raise _refusal(argument, "malformed_template", path, "is no YAML") from error
    if not isinstance(found, dict):
        raise _refusal(argument, "malformed_template", path, "has no YAML mapping")
    return found


def _size(value: Any, most: int) -> int:
    """How many values are in `value`, counted to `most` and a little more: an alias counts each time that it stands."""
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    count = 1
    for each in inner:
        if count > most:
            break
        count += _size(each, most - count)
    return count


def _refusal(argument: str, code: str, path: Path, text: str) -> CommandError:
    return CommandError(code, f"{printable(path)} {text}", argument=argument)
