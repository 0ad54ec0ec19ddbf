"""Several installations under names of one's own: a profile says where one is, and what to act by there.

They stand in `profiles.json` in the folder of sign-ins; nothing in there is secret, a key is named by its file.
"""

import json
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from attrs import asdict, field, frozen

from deploy.flockctl.audit.files import write_whole
from deploy.flockctl.credentials import SETTING as KEY_SETTING
from deploy.flockctl.errors import CommandError
from deploy.flockctl.sign_in_file import config_folder
from deploy.local.state import SETTING as STATE_SETTING

FILE_NAME: Final = "profiles.json"
SETTING: Final = "IRONFLOCK_PROFILE"
MOST: Final = 100
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)


@frozen
class Profile:
    """Where an installation's `endpoints.json` is, and the file of the API key; None: as without a profile."""

    state: str
    api_key_file: str | None = None


@frozen
class Profiles:
    """All of them, by name; `current` is what counts where nothing else is said."""

    current: str | None = None
    profiles: Mapping[str, Profile] = field(factory=dict)

    def named(self, name: str) -> Profile:
        """The profile `name`.

        Raises:
            CommandError: There is none.
        """
        found = self.profiles.get(name)
        if found is None:
            raise CommandError("no_such_profile", f"there is no profile {name!a}; see `flockctl profile list`")
        return found


def checked_name(name: str) -> str:
    """A name that a profile may have.

    Raises:
        CommandError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise CommandError(
            "invalid_argument", "a profile's name has small letters, digits, dots and dashes, 40 at most"
        )
    return name


def read_profiles(environ: Mapping[str, str]) -> Profiles:
    """The profiles of this user; none where there is no file.

    Raises:
        CommandError: There is a file, and it cannot be read.
    """
    path = config_folder(environ) / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = {str(name): Profile(**each) for name, each in content["profiles"].items()}
        return Profiles(content["current"], found)
    except FileNotFoundError:
        return Profiles()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError("unreadable_profiles", f"{path} is not what `flockctl profile` writes") from error


def write_profiles(environ: Mapping[str, str], profiles: Profiles) -> None:
    """Keep them.

    Raises:
        CommandError: The folder cannot be written, or there are too many.
    """
    if len(profiles.profiles) > MOST:
        raise CommandError("over_limit", f"there are {MOST} profiles already: remove some")
    folder = config_folder(environ)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(folder / FILE_NAME, json.dumps(asdict(profiles), indent=1).encode() + b"\n")
    except OSError as error:
        raise CommandError("cannot_write", f"{folder} cannot be written: {error.strerror}") from error


def apply_profile(said: str | None, environ: MutableMapping[str, str]) -> None:
    """Let `environ` name the installation of the profile that was said, or of the current one.

    What the environment says already wins over the current profile, and loses against one that was said.

    Raises:
        CommandError: There is no such profile.
    """
    name = said or environ.get(SETTING) or None
    profiles = read_profiles(environ)
    if name is None:
        if environ.get(STATE_SETTING) or profiles.current is None:
            return
        name = profiles.current
    profile = profiles.named(name)
    environ[STATE_SETTING] = profile.state
    if profile.api_key_file is not None and (said is not None or not environ.get(KEY_SETTING)):
        environ[KEY_SETTING] = profile.api_key_file


def absolute(path: Path) -> str:
    """`path` as it is found from anywhere."""
    return str(path.expanduser().absolute())
