"""Locks: somebody or something is kept out on purpose."""

from datetime import datetime
from typing import Annotated

from attrs import frozen
from msgspec import Meta

from services.privileges.records.values import Key, Moment, Reason
from shared.rights.records import LockKind


@frozen
class CreateLock:
    """`ironflock.privileges.lock.create`: keep somebody or something out.

    `key` is the account key or login name of a person, the key of a device or project, or the id of an API key.
    """

    kind: LockKind
    key: Annotated[str, Meta(min_length=1, max_length=400)]
    ends_at: Moment | None = None
    reason: Reason = ""


@frozen
class EndLock:
    """`ironflock.privileges.lock.end`."""

    lock_key: Key
    reason: Reason = ""


@frozen
class LockView:
    """A lock as people see it."""

    lock_key: int
    kind: LockKind
    key: str
    ends_at: datetime | None
    reason: str
    created_by: int
    created_at: datetime


@frozen
class LockList:
    """The locks in force that the caller set or may end."""

    locks: list[LockView]
