"""Entries of the audit log as tables and as rows of a CSV file."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table

from deploy.flockctl.output import table
from deploy.flockctl.text import local_time, printable

Entry = Mapping[str, Any]
CSV_TITLES: Final = (
    *("leaf_index", "entry_id", "time", "service", "action", "aspect", "actor_kind", "actor_key", "credential"),
    *("on_behalf_of", "asset_kind", "asset_key", "project", "before", "after", "reason", "session", "address"),
    *("request", "outcome", "redacted"),
)
# What a spreadsheet would take for a formula. Source: OWASP, "CSV Injection".
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def entry_table(entries: Iterable[Entry]) -> Table:
    """One row an entry."""
    return table(
        ("ENTRY", "TIME", "WHO", "ACTION", "WHAT", "PROJECT", "CHANGE", "OUTCOME"), (_cells(each) for each in entries)
    )


def entry_line(entry: Entry) -> str:
    """One entry on a line of its own, safe on any terminal, for a tail."""
    return "  ".join(printable(cell) for cell in _cells(entry) if cell not in (None, ""))


def entry_details(entry: Entry) -> Table:
    """One row a property."""
    rows = [(name, _shown(value)) for name, value in entry.items() if name not in ("v", "time")]
    return table(("PROPERTY", "VALUE"), [("time", local_time(entry["time"])), *rows])


def change(entry: Entry) -> str:
    """What was changed, in one line: `name: press-1 -> press-left`."""
    before, after = entry["before"] or {}, entry["after"] or {}
    return ", ".join(_difference(name, before, after) for name in {**before, **after})


def csv_row(line: Entry) -> list[object]:
    """The row for a line of an export: an entry with its personal values opened, or what is left of a redacted one."""
    if line["type"] == "redacted":
        return [line["leaf_index"], *[""] * (len(CSV_TITLES) - 2), f"{line['cause']} {line['redacted_at']}"]
    entry = line.get("opened") or line["entry"]
    actor, asset, source = entry["actor"], entry["asset"], entry["source"]
    row = (
        *(line["leaf_index"], entry["id"], entry["time"], entry["service"], entry["action"], entry["aspect"]),
        *(actor["kind"], actor["key"], actor["credential"], actor["on_behalf_of"], asset["kind"], asset["key"]),
        *(entry["project"], entry["before"], entry["after"], entry["reason"], source["session"], source["address"]),
        *(source["request"], entry["outcome"], None),
    )
    return [cell(value) for value in row]


def _cells(entry: Entry) -> tuple[object, ...]:
    return (
        entry["id"],
        local_time(entry["time"]),
        f"{entry['actor']['kind']} {entry['actor']['key']}",
        entry["action"],
        f"{entry['asset']['kind']} {entry['asset']['key']}",
        entry["project"],
        change(entry),
        entry["outcome"],
    )


def _difference(name: str, before: Entry, after: Entry) -> str:
    if name not in before:
        return f"{name}: {_shown(after[name])}"
    if name not in after:
        return f"{name}: {_shown(before[name])} -> (gone)"
    return f"{name}: {_shown(before[name])} -> {_shown(after[name])}"


def _shown(value: object) -> str:
    if value == {"erased": True}:
        return "(erased)"
    if value == {"sealed": True}:
        return "(sealed)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cell(value: object) -> object:
    """A cell of CSV: what a spreadsheet would take for a formula begins with `'`."""
    if value is None or isinstance(value, int):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"'{text}" if text.startswith(_FORMULA) else text
