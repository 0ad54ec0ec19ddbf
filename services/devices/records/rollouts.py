"""What travels between the rooms of devices about rollouts, and the shapes of the procedures for them."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from attrs import field, frozen
from msgspec import Meta

from services.devices.records.apps import AppRelease, AppState, Stage, Target
from services.devices.records.devices import DEFAULT_PAGE, Cursor, Key, Name, PageSize

RolloutAction = Literal["upgrade", "install", "start", "stop", "update_agent"]
AskedAction = RolloutAction | Literal["build", "publish"]
"""What people ask for; nothing is built (decision 32)."""
RolloutState = Literal["running", "paused", "stopped", "aborting", "aborted", "done"]
TurnState = Literal["waiting", "ordered", "done", "failed", "skipped", "rolled_back"]
LeftOut = Literal[
    "flag_missing",
    "being_deleted",
    "architecture_missing",
    "not_installed",
    "installed_already",
    "same_release",
    "is_so_already",
    "other_rollout",
    "offline",
]
"""Why a device is in no wave."""
Portion = Annotated[int, Meta(ge=0, le=10_000)] | Annotated[str, Meta(pattern=r"\A(100|[1-9]?[0-9])%\Z")]
"""A count, or a share of all, as `10%`."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay = Annotated[str, Meta(pattern=r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Soak = Annotated[int, Meta(ge=0, le=30 * 86_400)]
TurnSeconds = Annotated[int, Meta(ge=1, le=7 * 86_400)]
AtOnce = Annotated[int, Meta(ge=1, le=1_000)]
Zone = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[A-Za-z0-9_+/-]+\Z")]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]

MAX_DEVICES: Final = 10_000
MAX_WAVES: Final = 50
DEFAULT_TURN_S: Final = 900
DEFAULT_AT_ONCE: Final = 100


@frozen
class Window:
    """When devices may get their turn: from `begins` to `ends` on these days, none being every day.

    One that ends before it begins, or when it begins, ends on the day after.
    """

    begins: TimeOfDay
    ends: TimeOfDay
    days: Annotated[list[Day], Meta(max_length=7)] = field(factory=list)


@frozen
class Pace:
    """How a rollout goes from device to device.

    `waves` are the sizes of the first ones, what is left is one more; `soak_s` is waited between two. More than
    `budget` failures, of the whole rollout or of a wave, stop it. A device has `timeout_s` seconds from its turn on.
    """

    waves: Annotated[list[Portion], Meta(max_length=MAX_WAVES - 1)] = field(factory=list)
    soak_s: Soak = 0
    budget: Portion = 0
    budget_of: Literal["rollout", "wave"] = "rollout"
    windows: Annotated[list[Window], Meta(max_length=20)] = field(factory=list)
    time_zone: Zone = "UTC"
    timeout_s: TurnSeconds = DEFAULT_TURN_S
    offline: Literal["wait", "skip"] = "wait"
    at_once: AtOnce = DEFAULT_AT_ONCE


@frozen
class PlanRollout:
    """`ironflock.devices.rollout.plan`: for a whole project, a group, or these devices; paged, in the order of keys."""

    project: Key | Name
    action: AskedAction
    app: Key | None = None
    stage: Stage | None = None
    version: Name | None = None
    group: Key | Name | None = None
    devices: Annotated[list[Key | Name], Meta(min_length=1, max_length=1_000)] | None = None
    pace: Pace = field(factory=Pace)
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class StartRollout:
    """`ironflock.devices.rollout.start`: as `.plan`; with `digest` only what that plan said."""

    project: Key | Name
    action: AskedAction
    app: Key | None = None
    stage: Stage | None = None
    version: Name | None = None
    group: Key | Name | None = None
    devices: Annotated[list[Key | Name], Meta(min_length=1, max_length=1_000)] | None = None
    pace: Pace = field(factory=Pace)
    digest: Digest | None = None


@frozen
class NameRollout:
    """`ironflock.devices.rollout.pause`, `.watch`."""

    rollout: Key


@frozen
class ShowRollout:
    """`ironflock.devices.rollout.show`: with its devices, of one state or of all, paged in the order of keys."""

    rollout: Key
    state: TurnState | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class ResumeRollout:
    """`ironflock.devices.rollout.resume`: the failures of before count no more; `retry` gives those another turn."""

    rollout: Key
    retry: bool = False


@frozen
class AbortRollout:
    """`ironflock.devices.rollout.abort`: with `roll_back` each device is to be again as it was before its turn."""

    rollout: Key
    roll_back: bool = False


@frozen
class ListRollouts:
    """`ironflock.devices.rollout.list`: the newest first."""

    project: Key | Name
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class Aim:
    """What a rollout does to each device; the release is None where the action needs none."""

    action: RolloutAction
    app_key: int | None = None
    stage: Stage | None = None
    release: AppRelease | None = None


@frozen
class Candidate:
    """A device that is meant, as a plan looks at it; `target` and below are of its app, None where it has none."""

    device_key: int
    name: str
    is_online: bool
    is_leaving: bool
    has_flag: bool
    has_architecture: bool
    is_taken: bool
    target: Target | None = None
    state: AppState | None = None
    release: AppRelease | None = None
    present: AppRelease | None = None


@frozen
class PlannedDevice:
    """A device in a plan: its wave, counted from 1, or why it is in none."""

    device_key: int
    name: str
    is_online: bool
    wave: int | None
    left_out: LeftOut | None
    version: str | None


@frozen
class Plan:
    """What a rollout would do: how many devices each wave has, why others are in none, and a page of the devices.

    `digest` names all of it: `start` takes it, and refuses where it would do something else by then. Who starts it
    needs `flags` on each device: `DEVELOP` too where the release asks for power over it, in `needs_develop`.
    """

    digest: str
    version: str | None
    flags: list[str]
    needs_develop: list[str]
    waves: list[int]
    budget: int
    left_out: dict[str, int]
    devices: list[PlannedDevice]
    next: str | None


@frozen
class Before:
    """How the app was wanted before the device's turn: what rolling back goes back to; no target: it was not there."""

    target: Target | None = None
    release: AppRelease | None = None


@frozen
class Rollout:
    """A rollout as the registry has it; `wave` is counted from 1, `by_account_key` has it rolled back."""

    rollout_key: int
    project_key: int
    aim: Aim
    meant: dict[str, Any]
    pace: Pace
    account_key: int
    credential: str | None
    state: RolloutState
    wave: int
    waves: int
    wave_ended_at: datetime | None
    reason: str | None
    by_account_key: int | None
    created_at: datetime
    ended_at: datetime | None
    revision: int


@frozen
class Turn:
    """One device of a rollout. `wish_revision` is the wish that its turn made."""

    rollout_key: int
    device_key: int
    wave: int
    state: TurnState
    reason: str | None
    ordered_at: datetime | None
    ended_at: datetime | None
    wish_revision: int | None
    before: Before


@frozen
class WaveTally:
    """How many devices of a wave stand how; `waiting` are there, `away` wait and are not, `forgiven` of the failed."""

    wave: int
    waiting: int = 0
    away: int = 0
    ordered: int = 0
    done: int = 0
    failed: int = 0
    forgiven: int = 0
    skipped: int = 0
    rolled_back: int = 0

    @property
    def devices(self) -> int:
        """All of them."""
        settled = self.done + self.failed + self.skipped + self.rolled_back
        return self.waiting + self.away + self.ordered + settled


@frozen
class ShownWave:
    """A wave as people see it."""

    wave: int
    devices: int
    waiting: int
    ordered: int
    done: int
    failed: int
    skipped: int
    rolled_back: int


@frozen
class ShownRollout:
    """A rollout as people see it; `soaks_until` is when the next wave begins at the earliest."""

    rollout_key: int
    project_key: int
    action: RolloutAction
    app_key: int | None
    stage: Stage | None
    version: str | None
    meant: dict[str, Any]
    pace: Pace
    account_key: int
    state: RolloutState
    reason: str | None
    wave: int
    waves: list[ShownWave]
    budget: int
    failures: int
    is_open: bool
    soaks_until: datetime | None
    created_at: datetime
    ended_at: datetime | None


@frozen
class ShownTurn:
    """A device of a rollout as people see it; `name` is None where they may not see the device, or it is gone."""

    device_key: int
    name: str | None
    wave: int
    state: TurnState
    reason: str | None
    ordered_at: datetime | None
    ended_at: datetime | None


@frozen
class RolloutDetails:
    """A rollout, and a page of its devices."""

    rollout: ShownRollout
    devices: list[ShownTurn]
    next: str | None


@frozen
class RolloutPage:
    """One page; `next` is None on the last one."""

    rollouts: list[ShownRollout]
    next: str | None


@frozen
class RolloutNews:
    """What a watch says: the rollout as it is, and the devices that were changed since it last said something."""

    rollout: ShownRollout
    devices: list[ShownTurn]
