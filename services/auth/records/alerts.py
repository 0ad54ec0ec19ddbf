"""Alerts of devices, as people are written to of them."""

from typing import Annotated, Literal

from attrs import frozen
from msgspec import Meta

from services.auth.records.fields import Key

AlertKind = Literal[
    "device_offline", "devices_offline", "device_emergency", "app_failed", "device_duplicated", "rollout_stopped"
]
Words = Annotated[str, Meta(max_length=300)]


@frozen
class MailedAlert:
    """One alert; `about` names what it is about, `since` is a time (RFC 3339)."""

    kind: AlertKind
    severity: Literal["info", "warning", "critical"]
    state: Literal["open", "acknowledged", "resolved"]
    about: Words
    since: Annotated[str, Meta(max_length=40)]


@frozen
class MailAlerts:
    """`ironflock.auth.alert.mail`; `more` counts the alerts that are not listed."""

    account_key: Key
    project_name: Words
    alerts: Annotated[list[MailedAlert], Meta(min_length=1, max_length=50)]
    more: Annotated[int, Meta(ge=0)] = 0
