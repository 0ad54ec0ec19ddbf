"""What is known of alerts, and the shapes of their procedures."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from attrs import field, frozen
from msgspec import Meta

from services.devices.records.devices import DEFAULT_PAGE, Cursor, Key, Name, PageSize

AlertKind = Literal[
    "device_offline", "devices_offline", "device_emergency", "app_failed", "device_duplicated", "rollout_stopped"
]
Severity = Literal["info", "warning", "critical"]
AlertState = Literal["open", "acknowledged", "resolved"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
HourAndMinute = Annotated[str, Meta(pattern=r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Delay = Annotated[int, Meta(ge=0, le=7 * 86_400)]
Url = Annotated[str, Meta(max_length=2_000)]
TimeZone = Annotated[str, Meta(max_length=64)]

MAX_QUIET_TIMES: Final = 20


@frozen
class WebhookSettings:
    """Where webhooks may go: `ca` is a PEM file, None for the system's authorities."""

    ca: str | None
    may_be_private: bool


@frozen
class Trouble:
    """Something that operators are to know of.

    `subject` names what it is about, the same each time: `device/7`, `rollout/4`. `details` are JSON values for people
    and programs, `devices` the keys of the devices that are concerned.
    """

    kind: AlertKind
    project_key: int
    subject: str
    details: dict[str, Any]
    devices: tuple[int, ...] = ()


@frozen
class Alert:
    """An alert as it stands; `reopenings` counts how often it came back within half an hour of its end."""

    alert_key: int
    project_key: int
    kind: AlertKind
    subject: str
    severity: Severity
    state: AlertState
    details: dict[str, Any]
    opened_at: datetime
    state_since: datetime
    acknowledged_by: int | None
    reopenings: int
    revision: int


@frozen
class Offline:
    """A device that is not there and of which no alert tells; `is_due`: for as long as its project's rule says.

    `tells_one` and `groups_many` say whether the project wants to hear of it alone, and of many as one.
    """

    project_key: int
    device_key: int
    name: str
    since: datetime
    is_due: bool
    tells_one: bool
    groups_many: bool


@frozen
class AlertRule:
    """How a project has one kind of alert: whether at all, how grave, after how many seconds of trouble."""

    kind: AlertKind
    is_on: bool
    severity: Severity
    after_s: int


@frozen
class SetRule:
    """What a project has set of a rule; None is as it comes."""

    kind: AlertKind
    is_on: bool | None
    severity: Severity | None
    after_s: int | None


@frozen
class QuietTime:
    """From one time of day until another, the next day's where that is earlier, beginning on these days."""

    days: Annotated[list[Weekday], Meta(min_length=1, max_length=7)]
    begins: HourAndMinute
    ends: HourAndMinute


@frozen
class Channel:
    """Whom a project's alerts go to, as it is kept; the secret is sealed."""

    channel_key: int
    project_key: int
    project_name: str
    name: str
    url: str | None
    secret_id: UUID | None
    secret: bytes | None = field(repr=False)
    account_key: int | None
    min_severity: Severity
    time_zone: str
    quiet: list[QuietTime]
    created_at: datetime
    attempts: int
    failing_since: datetime | None
    failure: str | None
    gave_up_at: datetime | None
    told_at: datetime | None


@frozen
class PublicChannel:
    """A channel as people see it; `failure` says why the last attempt failed, None where it did not."""

    channel_key: int
    project_key: int
    name: str
    url: str | None
    account_key: int | None
    min_severity: Severity
    time_zone: str
    quiet: list[QuietTime]
    created_at: datetime
    failing_since: datetime | None
    failure: str | None
    gave_up_at: datetime | None
    told_at: datetime | None


@frozen
class Telling:
    """An alert that a channel is to be told of, and as what it was told last: `before`, as open before it changed."""

    alert: Alert
    due_at: datetime
    told_state: Literal["open", "before", "resolved"] | None


@frozen
class Sorted:
    """What becomes of what is due: it is told now, kept until a quiet time has ended, or is no news any more."""

    told: list[Telling]
    kept: list[Telling]
    stale: list[Telling]


@frozen
class ListAlerts:
    """`ironflock.devices.alert.list`: those that are not resolved, or those of one state."""

    project: Key | Name
    state: AlertState | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class AlertPage:
    """One page, in the order of keys; `next` is None on the last one."""

    alerts: list[Alert]
    next: str | None


@frozen
class NameAlert:
    """`ironflock.devices.alert.acknowledge`."""

    alert: Key


@frozen
class NameProject:
    """`ironflock.devices.alert.watch`, `.alert_rule.list`, `.alert_channel.list`."""

    project: Key | Name


@frozen
class AlertSnapshot:
    """All alerts that are not resolved, or a part of them where `more` follows."""

    alerts: list[Alert]
    more: bool = False


@frozen
class AlertChanged:
    """An alert that is new, or has changed."""

    alert: Alert


@frozen
class SetAlertRule:
    """`ironflock.devices.alert_rule.set`: what is left out is as it comes."""

    project: Key | Name
    kind: AlertKind
    is_on: bool | None = None
    severity: Severity | None = None
    after_s: Delay | None = None


@frozen
class CreateChannel:
    """`ironflock.devices.alert_channel.create`: a webhook by its `url`, or a person by their account."""

    project: Key | Name
    name: Name
    url: Url | None = field(default=None, repr=False)
    account: Key | None = None
    min_severity: Severity = "warning"
    time_zone: TimeZone = "UTC"
    quiet: Annotated[list[QuietTime], Meta(max_length=MAX_QUIET_TIMES)] = field(factory=list)


@frozen
class CreatedChannel:
    """The channel, and the secret that signs what a webhook gets: the one place where that is ever shown."""

    channel: PublicChannel
    secret: str | None = field(repr=False)


@frozen
class NameChannel:
    """`ironflock.devices.alert_channel.delete`, `.test`."""

    channel: Key


@frozen
class ChannelTest:
    """How a test went; `failure` says why it did not arrive."""

    is_delivered: bool
    failure: str | None
