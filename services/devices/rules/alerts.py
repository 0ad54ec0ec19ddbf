"""When something is an alert, who is told of it and when: the decisions. Pure."""

import base64
import hmac
import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from services.devices.records.alerts import (
    Alert,
    AlertKind,
    AlertRule,
    Channel,
    Offline,
    PublicChannel,
    QuietTime,
    SetRule,
    Severity,
    Sorted,
    Telling,
    Trouble,
    Weekday,
)
from shared.errors import InvalidArgumentError

RULES: Final[dict[AlertKind, AlertRule]] = {
    rule.kind: rule
    for rule in (
        AlertRule("device_offline", is_on=True, severity="warning", after_s=300),
        AlertRule("devices_offline", is_on=True, severity="critical", after_s=300),
        AlertRule("device_emergency", is_on=True, severity="critical", after_s=0),
        AlertRule("app_failed", is_on=True, severity="warning", after_s=60),
        AlertRule("device_duplicated", is_on=True, severity="critical", after_s=0),
        AlertRule("rollout_stopped", is_on=True, severity="warning", after_s=0),
    )
}
"""As they come."""
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
DAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)
LEAST_OFFLINE_S: Final = 60
"""By then everybody who went with the first one has gone too, so that many are told of as one."""
TIMED: Final[frozenset[AlertKind]] = frozenset({"device_offline", "device_emergency", "app_failed"})
MANY: Final = 20
MANY_WITHIN_S: Final = 60.0
WHOLE_PROJECT: Final = "project"
NAMED: Final = 20
"""Of so many devices an alert says the names."""
REOPENED_WITHIN_S: Final = 1_800.0
ANOTHER_EACH_TIME: Final[frozenset[AlertKind]] = frozenset({"rollout_stopped"})
"""Somebody saw to it before it came back, so that it does not flap by itself."""
SETTLED_AFTER_S: Final = 60.0
"""An end is told once it has lasted so long."""
ALERTS_A_MESSAGE: Final = 50
ID_DIGITS: Final = 32
MAX_ABOUT: Final = 250
NO_URL: Final = "a webhook is an https:// URL with a host, without a user, a password or a fragment"
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


def rule_of(kind: AlertKind, known: Iterable[SetRule]) -> AlertRule:
    """The rule of that kind where a project has set `known`."""
    rule = RULES[kind]
    for said in known:
        if said.kind == kind:
            rule = AlertRule(
                kind=kind,
                is_on=rule.is_on if said.is_on is None else said.is_on,
                severity=said.severity or rule.severity,
                after_s=rule.after_s if said.after_s is None else said.after_s,
            )
    return rule


def check_delay(kind: AlertKind, after_s: int | None) -> None:
    """Refuse a delay that the kind does not have.

    Raises:
        InvalidArgumentError: It is told of at once, or a device must be away for a minute at least.
    """
    if after_s is None:
        return
    if kind not in TIMED:
        raise InvalidArgumentError(f"{kind} has no delay of its own", argument="after_s")
    if kind == "device_offline" and after_s < LEAST_OFFLINE_S:
        raise InvalidArgumentError(f"a device is offline after {LEAST_OFFLINE_S} s at the earliest", argument="after_s")


def troubles_of(offline: Iterable[Offline]) -> list[Trouble]:
    """What is to be told of devices of which nothing has been told: many that went within a minute are one trouble."""
    by_project: dict[int, list[Offline]] = defaultdict(list)
    for device in sorted(offline, key=lambda each: (each.since, each.device_key)):
        by_project[device.project_key].append(device)
    return [trouble for devices in by_project.values() for trouble in _troubles_of_project(devices)]


def _troubles_of_project(devices: list[Offline]) -> list[Trouble]:
    together = _together([device.since for device in devices]) if devices[0].groups_many else frozenset[int]()
    many = [devices[place] for place in sorted(together)]
    alone = [device for place, device in enumerate(devices) if device.is_due and place not in together]
    found = [_one_offline(device) for device in alone if device.tells_one]
    if any(device.is_due for device in many):
        found.append(_many_offline(many))
    return found


def _together(moments: Sequence[datetime]) -> frozenset[int]:
    """The places, in the order of `moments`, of those that are among more than `MANY` within some minute."""
    places: set[int] = set()
    first = 0
    for last, moment in enumerate(moments):
        while (moment - moments[first]).total_seconds() > MANY_WITHIN_S:
            first += 1
        if last - first + 1 > MANY:
            places.update(range(first, last + 1))
    return frozenset(places)


def _one_offline(device: Offline) -> Trouble:
    details = {"device_key": device.device_key, "device_name": device.name, "since": device.since.isoformat()}
    return Trouble("device_offline", device.project_key, f"device/{device.device_key}", details, (device.device_key,))


def _many_offline(devices: list[Offline]) -> Trouble:
    keys = tuple(device.device_key for device in devices)
    names = [device.name for device in devices[:NAMED]]
    details = {"devices": len(keys), "device_names": names, "since": devices[0].since.isoformat()}
    return Trouble("devices_offline", devices[0].project_key, WHOLE_PROJECT, details, keys)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        InvalidArgumentError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidArgumentError(
            "there is no such time zone; take one like Europe/Berlin", argument="time_zone"
        ) from error


def quiet_until(times: Iterable[QuietTime], time_zone: str, now: datetime) -> datetime | None:
    """When the quiet time ends that `now` lies in, on the clock of that zone, whatever that clock does meanwhile.

    None where it is not quiet. An hour that a clock skips begins, and ends, when it is skipped.
    """
    place = zone(time_zone)
    today = now.astimezone(place).date()
    ends = [
        end
        for time in times
        for day in (today - timedelta(days=1), today)
        for begin, end in [_span(time, datetime(day.year, day.month, day.day, tzinfo=place))]
        if DAYS[day.weekday()] in time.days and begin <= now < end
    ]
    return max(ends, default=None)


def _span(time: QuietTime, day: datetime) -> tuple[datetime, datetime]:
    """From when to when it is quiet, in UTC, where it begins on `day`."""
    begin, end = _at(day, time.begins), _at(day, time.ends)
    if time.ends <= time.begins:
        end = _at(day + timedelta(days=1), time.ends)  # the same time of the wall clock, the next day
    return begin.astimezone(UTC), end.astimezone(UTC)


def _at(day: datetime, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return day.replace(hour=int(hour), minute=int(minute))


def sort(due: Iterable[Telling], *, is_quiet: bool) -> Sorted:
    """What becomes of what is due: a critical alert breaks the quiet, what came and went is no news."""
    told, kept, stale = [], [], []
    for telling in due:
        if not _is_news(telling):
            stale.append(telling)
        elif is_quiet and telling.alert.severity != "critical":
            kept.append(telling)
        else:
            told.append(telling)
    return Sorted(told, kept, stale)


def _is_news(telling: Telling) -> bool:
    if telling.alert.state == "acknowledged":
        return False  # somebody knows
    if telling.alert.state == "resolved":
        return telling.told_state in ("open", "before")
    return telling.told_state != "open"


def is_same(ended: Alert, now: datetime) -> bool:
    """Whether a trouble that is back is the one that had ended, and no news where that was told of and not its end."""
    is_recent = (now - ended.state_since).total_seconds() < REOPENED_WITHIN_S
    return is_recent and ended.kind not in ANOTHER_EACH_TIME


def reaches(severity: Severity) -> list[Severity]:
    """The least severities that channels may ask for to hear of one of `severity`."""
    return list(SEVERITIES[: SEVERITIES.index(severity) + 1])


def pause_after(attempts: int, chance: float) -> float:
    """Seconds until a channel that failed `attempts` times is tried again: doubling up to ten minutes, jittered.

    Args:
        chance: Of [0, 1).
    """
    return min(600.0, 5.0 * 2.0 ** min(attempts, 16)) * (0.5 + chance / 2)


def message_id(channel_key: int, alerts: Iterable[Alert]) -> str:
    """The same for the same news to the same channel, however often it is sent: receivers take it once."""
    parts = [str(channel_key), *(f"{alert.alert_key}.{alert.revision}" for alert in alerts)]
    return f"msg_{sha256(' '.join(parts).encode()).hexdigest()[:ID_DIGITS]}"


def content(channel: Channel, alerts: Sequence[Alert], now: datetime, *, kind: str) -> bytes:
    """The body that a webhook gets, JSON; of more alerts than fit, how many there are."""
    shown = [_shown(alert) for alert in alerts[:ALERTS_A_MESSAGE]]
    data = {"project_key": channel.project_key, "project_name": channel.project_name, "channel": channel.name}
    more = {"alerts": shown, "more": max(0, len(alerts) - ALERTS_A_MESSAGE)}
    return msgspec.json.encode({"type": kind, "timestamp": now.astimezone(UTC).isoformat(), "data": {**data, **more}})


def _shown(alert: Alert) -> dict[str, Any]:
    names = ("alert_key", "kind", "subject", "severity", "state", "details", "opened_at", "state_since", "reopenings")
    return {name: getattr(alert, name) for name in names}


def in_words(alert: Alert) -> dict[str, str]:
    """What auth needs to write of an alert to a person, in their language."""
    details = alert.details
    device = str(details.get("device_name") or details.get("name") or alert.subject)
    named = {"app_failed": f"{details.get('app_name')} ({device})", "devices_offline": str(details.get("devices"))}
    return {
        "kind": alert.kind,
        "severity": alert.severity,
        "state": alert.state,
        "about": named.get(alert.kind, device)[:MAX_ABOUT],
        "since": alert.state_since.astimezone(UTC).isoformat(timespec="minutes"),
    }


def signature(secret: bytes, message: str, timestamp: int, body: bytes) -> str:
    """What a receiver compares in constant time. Source: Standard Webhooks, symmetric signatures (v1)."""
    signed = f"{message}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"


def check_url(url: str) -> None:
    """Refuse what is no address of a webhook.

    Raises:
        InvalidArgumentError: It is none.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_one = False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_one or not is_plain or "@" in urlsplit(url).netloc or "#" in url:
        raise InvalidArgumentError(NO_URL, argument="url")


def host_of(url: str | None) -> str | None:
    """The host of a webhook."""
    return None if url is None else urlsplit(url).hostname


def is_public_address(address: str) -> bool:
    """Whether an IP address is one of the internet, and none that leads back to this machine or its networks."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            parsed = inner
    return parsed.is_global and not parsed.is_multicast


def public(channel: Channel) -> PublicChannel:
    """The channel as people see it."""
    return PublicChannel(
        channel_key=channel.channel_key,
        project_key=channel.project_key,
        name=channel.name,
        url=channel.url,
        account_key=channel.account_key,
        min_severity=channel.min_severity,
        time_zone=channel.time_zone,
        quiet=channel.quiet,
        created_at=channel.created_at,
        failing_since=channel.failing_since,
        failure=channel.failure,
        gave_up_at=channel.gave_up_at,
        told_at=channel.told_at,
    )
