"""The API key: read from a file, never an argument (arguments are visible to every user of a machine)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.flockctl.errors import CommandError
from shared.api_keys import is_well_formed

SETTING: Final = "IRONFLOCK_API_KEY_FILE"
MAX_FILE_OCTETS: Final = 4096


def key_file(named: Path | None, environ: Mapping[str, str], owners: Path | None) -> Path:
    """The file to read: the one named, else the setting's, else the first owner's of a local platform.

    Raises:
        CommandError: There is none.
    """
    chosen = environ.get(SETTING, "").strip()
    found = named or (Path(chosen).expanduser() if chosen else owners)
    if found is None:
        raise CommandError("no_api_key", f"name the file of an API key with --api-key-file or {SETTING}")
    return found


def read_api_key(file: Path) -> str:
    """The key in `file`.

    Raises:
        CommandError: The file cannot be read or holds no API key; the text never repeats its content.
    """
    try:
        with file.open("rb") as stream:
            octets = stream.read(MAX_FILE_OCTETS)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise CommandError(
            "no_api_key", f"the API key file {file} cannot be read ({reason}); name another with --api-key-file"
        ) from error
    text = octets.decode("ascii", "replace").strip()
    if not is_well_formed(text):
        raise CommandError("malformed_api_key", f"{file} does not hold an API key (ifk_...), or not a whole one")
    return text
