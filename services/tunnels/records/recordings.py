"""Recordings of terminal visits, and the shapes of their procedures."""

from datetime import datetime
from typing import Annotated

from attrs import field, frozen
from msgspec import Meta

from services.tunnels.records.tunnels import DEFAULT_PAGE, Cursor, Key, Name, PageSize

Apps = Annotated[list[Name], Meta(max_length=100)]
PartNumber = Annotated[int, Meta(ge=0, le=2**31 - 1)]


@frozen
class Keeping:
    """For how many days recordings lie, and how many octets of asciicasts of one project at the most."""

    days: int
    octets: int


@frozen
class Recording:
    """What is known of a recording without reading it.

    Args:
        octets: Of the asciicast, so far.
        is_truncated: It ends before its visit did, because it grew too long.
        sha256: Of the whole asciicast, as the log has it; None while the visit goes on, or where its end was lost.
    """

    visit_key: int
    project_key: int
    device_key: int
    app: str
    account_key: int | None
    began_at: datetime
    ended_at: datetime | None
    octets: int
    is_truncated: bool
    sha256: str | None


@frozen
class ChooseRecorded:
    """`ironflock.tunnels.recording.choose`: the apps whose raw tunnels carry terminals; none: nothing is recorded."""

    project: Key | Name
    apps: Apps


@frozen
class RecordedApps:
    """The apps of a project whose visits are recorded."""

    project_key: int
    apps: list[str]


@frozen
class ListRecordings:
    """`ironflock.tunnels.recording.list`: those of a project."""

    project: Key | Name
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class RecordingPage:
    """One page, the newest first, and the apps that are recorded now; `next` is None on the last one."""

    apps: list[str]
    recordings: list[Recording]
    next: str | None


@frozen
class FetchRecording:
    """`ironflock.tunnels.recording.fetch`: of a visit, from the part on that the answer before called `next`."""

    visit: Key
    part: PartNumber = 0


@frozen
class RecordingPart:
    """A piece of the asciicast (version 2); `next` is None behind the last one."""

    visit_key: int
    cast: str = field(repr=False)
    next: int | None
    sha256: str | None
