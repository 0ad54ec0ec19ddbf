"""Entries as people and spreadsheets read them."""

from typing import Any

import pytest

from deploy.flockctl.entries import CSV_TITLES, change, csv_row

ENTRY: dict[str, Any] = {
    "id": 9,
    "time": "2026-11-25T10:00:00Z",
    "service": "svc_devices",
    "action": "device.renamed",
    "aspect": "name",
    "actor": {"kind": "person", "key": 1, "credential": "abc", "on_behalf_of": None},
    "asset": {"kind": "device", "key": 7},
    "project": 3,
    "before": None,
    "after": None,
    "reason": None,
    "source": {"session": 11, "address": None, "request": None},
    "outcome": "done",
}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, None, ""),
        ({"name": "a"}, {"name": "b"}, "name: a -> b"),
        (None, {"name": "a", "days": 7}, "name: a, days: 7"),
        ({"name": "a"}, None, "name: a -> (gone)"),
        ({"days": None}, {"days": 3}, "days: null -> 3"),
        (
            None,
            {"login_name": {"erased": True}, "address": {"sealed": True}},
            "login_name: (erased), address: (sealed)",
        ),
    ],
)
def test_a_change_is_one_line(before: Any, after: Any, said: str) -> None:
    assert change({**ENTRY, "before": before, "after": after}) == said


def test_a_row_has_a_cell_for_each_title() -> None:
    redacted = {"type": "redacted", "leaf_index": 1, "cause": "retention", "redacted_at": "2026-11-25T11:00:00Z"}
    entry = {"type": "entry", "leaf_index": 1, "entry": ENTRY}

    assert len(csv_row(redacted)) == len(csv_row(entry)) == len(CSV_TITLES)
    assert dict(zip(CSV_TITLES, csv_row(entry), strict=True))["asset_key"] == 7


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_begins_as_a_formula(text: str) -> None:
    row = dict(
        zip(CSV_TITLES, csv_row({"type": "entry", "leaf_index": 1, "entry": {**ENTRY, "reason": text}}), strict=True)
    )

    assert row["reason"] == f"'{text}"
