"""Where the platform is: `endpoints.json`, found without being told where possible."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.local.state import FOLDER_NAME, SETTING, find_state_folder

FILE_NAME: Final = "endpoints.json"
SECRETS: Final = "secrets"
OF_A_CLUSTER: Final = ("bus", "database")
"""What `deploy.installation` makes there, and no launcher."""
WITHIN: Final = (
    "it is looked at and backed up from within (deploy/README.md, The doctor of a cluster, Backups in a cluster);"
    " this command works on an installation of one machine"
)


@frozen
class Endpoints:
    """What flockctl needs of `endpoints.json`; `sql` is host and port, `more_people` the routers of further cells."""

    file: Path
    ca: Path
    people: str
    health: Mapping[str, str]
    owner_api_key: Path | None
    accounts: str | None = None
    audit: str | None = None
    audit_keys: Path | None = None
    mail: Path | None = None
    sql: tuple[str, int] | None = None
    visitors: str | None = None
    more_people: tuple[str, ...] = ()


def candidates(state: Path | None, environ: Mapping[str, str], working_folder: Path) -> Iterator[Path]:
    """The state folders to look into, in order: one that is named is the only one."""
    if state is not None:
        yield state
        return
    if environ.get(SETTING, "").strip():
        yield find_state_folder(environ)
        return
    for folder in (working_folder, *working_folder.parents):
        yield folder / FOLDER_NAME
    yield find_state_folder(environ)


def find_endpoints(state: Path | None, environ: Mapping[str, str], working_folder: Path) -> Endpoints:
    """The endpoints of the platform that `state`, the environment or the working folder points to.

    Raises:
        CommandError: There is none, or its file cannot be read.
    """
    for folder in candidates(state, environ, working_folder):
        file = folder / FILE_NAME
        try:
            text = file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeError, ValueError) as error:
            raise CommandError("unreadable_endpoints", f"{file} cannot be read: {type(error).__name__}") from error
        return parse_endpoints(file, text)
    raise CommandError(
        "no_platform",
        f"no {FILE_NAME} was found: start the platform with `make up`, or name its state folder with --state",
        ExitStatus.UNAVAILABLE,
    )


def installed_state(state: Path | None, environ: Mapping[str, str], working_folder: Path) -> Path:
    """The state folder of an installation on this machine, whether it runs or not; looked for as its endpoints are.

    Raises:
        CommandError: There is none, or it is another user's, or the folder is a cluster's.
    """
    for folder in candidates(state, environ, working_folder):
        if (folder / SECRETS).is_dir():
            if not os.access(folder / SECRETS, os.R_OK | os.X_OK):
                raise CommandError("not_authorized", f"{folder} is another user's: run this as who runs the platform")
            return folder.absolute()
        if all((folder / name).is_dir() for name in OF_A_CLUSTER):
            raise CommandError("not_supported", f"{folder} is the folder of a cluster: {WITHIN}")
    raise CommandError(
        "no_platform",
        "no installation was found on this machine: name its state folder with --state",
        ExitStatus.UNAVAILABLE,
    )


def parse_endpoints(file: Path, text: str) -> Endpoints:
    """The endpoints in `text`, the content of `file`.

    Raises:
        CommandError: It is not what a launcher writes.
    """
    try:
        content = json.loads(text)
        return Endpoints(
            file=file,
            ca=_path(content["ca_file"]),
            people=_url(content["router"]["people"], "wss://"),
            health={str(name): _url(url, "https://") for name, url in content["health"].items()},
            owner_api_key=_path(content["owner_api_key_file"]) if content.get("owner_api_key_file") else None,
            accounts=_url(content["accounts"], "https://") if content.get("accounts") else None,
            audit=_url(content["audit"], "https://") if content.get("audit") else None,
            audit_keys=_path(content["audit_key_file"]) if content.get("audit_key_file") else None,
            mail=_path(content["mail_folder"]) if content.get("mail_folder") else None,
            sql=(str(content["sql"]["host"]), int(content["sql"]["port"])) if content.get("sql") else None,
            visitors=_url(content["tunnels"]["visitors"], "https://") if content.get("tunnels") else None,
            more_people=tuple(_url(each["people"], "wss://") for each in content.get("more_routers", {}).values()),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CommandError("unreadable_endpoints", f"{file} is not an endpoints file of this release") from error


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("not a path")
    return Path(value)


def _url(value: Any, scheme: str) -> str:
    if not isinstance(value, str) or not value.startswith(scheme):
        raise ValueError(f"not a {scheme} URL")
    return value
