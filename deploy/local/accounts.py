"""Which user of the operating system runs PostgreSQL: it refuses to run as root."""

import os
import pwd
from pathlib import Path
from typing import Final

from deploy.local.errors import PlatformError
from deploy.local.files import Account
from deploy.local.state import others_may_cross

CANDIDATES: Final = ("postgres", "nobody")


class AccountError(PlatformError):
    """No user can run PostgreSQL here; the text says what to set."""


def find_account(name: str) -> Account | None:
    """The user `name` of this machine, or `None`."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def postgres_account(chosen: str, *, is_root: bool) -> Account | None:
    """The user that shall run PostgreSQL; `None` means ourselves, which is right unless we are root.

    Raises:
        AccountError: The chosen user does not exist or is root, or there is none to choose from.
    """
    if not is_root:
        return None
    for name in (chosen,) if chosen else CANDIDATES:
        account = find_account(name)
        if account is not None and account.uid != 0:
            return account
    wanted = chosen or " or ".join(CANDIDATES)
    raise AccountError(
        f"PostgreSQL refuses to run as root and there is no user {wanted}: set IRONFLOCK_LOCAL_POSTGRES_USER"
    )


def check_owner(state: Path) -> None:
    """Refuse a state folder that belongs to another user than ours: half of it would be out of reach.

    Raises:
        AccountError: It is somebody else's; the text says whose.
    """
    if state.exists() and state.stat().st_uid != os.geteuid():
        raise AccountError(
            f"{state} belongs to user {state.stat().st_uid}: run as that user, or set IRONFLOCK_LOCAL_STATE"
        )


def check_crossable(state: Path, account: Account | None) -> None:
    """Refuse a state folder that the user of PostgreSQL could not reach.

    Raises:
        AccountError: A folder above it may not be crossed.
    """
    if account is not None and not others_may_cross(state.parent):
        raise AccountError(
            f"user {account.name}, who runs PostgreSQL, may not cross a folder above {state}: set IRONFLOCK_LOCAL_STATE"
        )
