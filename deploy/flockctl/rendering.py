"""Devices as tables."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table

from deploy.flockctl.output import table
from deploy.flockctl.text import local_time

_TIMES: Final = frozenset({"status_since", "created_at", "flashed_at"})


def device_table(devices: Iterable[Mapping[str, Any]]) -> Table:
    """One row a device."""
    titles = ("KEY", "PROJECT", "NAME", "STATUS", "SINCE", "STATE", "AGENT")
    rows = (
        (
            each["device_key"],
            each["project_name"],
            each["name"],
            each["status"],
            local_time(each["status_since"]),
            each["state"],
            each["agent_version"],
        )
        for each in devices
    )
    return table(titles, rows)


def decommissioned_row(device: Mapping[str, Any]) -> tuple[Any, ...]:
    """A device that is out of service: its key, name, when it was certified, how many rows went, the digest."""
    certificate = device["certificate"] or {}
    rows = sum(each["rows"] for each in device["erased"])
    ended = "in the way: " + ", ".join(sorted({each["reason"] for each in device["obstacles"]}))
    if not device["obstacles"]:
        ended = "its rows are being deleted"
    name = certificate.get("device", {}).get("name")
    return (device["device_key"], name, certificate.get("ended_at", ended), rows, device["sha256"])


def device_details(device: Mapping[str, Any]) -> Table:
    """One row a property."""
    rows = ((key, local_time(value) if key in _TIMES else value) for key, value in device.items())
    return table(("PROPERTY", "VALUE"), rows)
