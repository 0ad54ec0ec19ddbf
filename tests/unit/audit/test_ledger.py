"""The ledger: which entries it keeps, what of them, and what a crash may do to its file."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.ledger import KEPT, TAIL_OCTETS, LedgerFile, line_of
from services.audit.records import Row
from shared.audit import Action

AT = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


def row(action: str, **changes: Any) -> Row:
    """An entry of the log."""
    fields: dict[str, Any] = {
        "id": 7, "recorded_at": AT, "service": "svc_auth", "action": action, "aspect": "credential",
        "actor": {"kind": "person", "key": 5, "credential": "3Fh2", "on_behalf_of": None},
        "asset": {"kind": "api_key", "key": "3Fh2"}, "project": None, "before": None, "after": None, "reason": "lost",
        "source": {"session": 1, "address": {"personal": {}}, "request": None}, "outcome": "done", "leaf_index": 41,
        "salt": bytes(32),
    }  # fmt: skip
    return Row(**{**fields, **changes})


def line(index: int) -> dict[str, Any]:
    """A line of the ledger."""
    found = line_of(row(Action.API_KEY_ENDED, leaf_index=index))
    assert found is not None
    return found


def test_an_entry_that_ends_something_is_kept_without_what_tells_of_a_person() -> None:
    entry = row(
        Action.TUNNEL_WITHDRAWN, before={"name": "Anna's press"}, after={"sealed": {"personal": {}}, "epoch": 2}
    )

    assert line_of(entry) == {
        "leaf_index": 41, "at": "2026-11-30T09:00:00.000000Z", "action": "tunnel.withdrawn", "kind": "api_key",
        "key": "3Fh2", "project": None, "actor": 5, "before": {}, "after": {"epoch": 2},
    }  # fmt: skip


@pytest.mark.parametrize("action", [Action.DEVICE_CREATED, Action.DEVICE_DELETED, Action.FLAG_GIVEN])
def test_an_entry_that_ends_nothing_is_not(action: Action) -> None:
    assert action not in KEPT
    assert line_of(row(action)) is None


@pytest.mark.parametrize("outcome", ["intended", "refused", "failed"])
def test_what_was_not_done_is_not(outcome: str) -> None:
    assert line_of(row(Action.FLAG_TAKEN, outcome=outcome)) is None


def test_a_ledger_that_is_not_there_begins_with_the_log(tmp_path: Path) -> None:
    assert LedgerFile(tmp_path / "ledger").position() == 0


def test_a_ledger_goes_on_behind_its_last_line_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger")

    file.append([line(3), line(8)])
    file.append([line(9)])

    assert file.position() == 10
    assert (tmp_path / "ledger").stat().st_mode & 0o777 == 0o600


def test_lines_of_a_log_that_was_restored_over_have_no_place_in_this_one(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger")
    file.append([{**line(900), "leaf_index": None}])

    assert file.position() == 0


def test_a_ledger_goes_on_behind_its_last_place_however_many_lines_without_one_follow(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger")
    file.append([line(3), line(8)])
    file.append([{**line(900), "leaf_index": None}] * 2_000)
    assert (tmp_path / "ledger").stat().st_size > 2 * TAIL_OCTETS

    assert file.position() == 9


@given(cut=st.integers(min_value=0, max_value=400))
def test_wherever_a_crash_cut_it_off_the_next_lines_are_whole(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger"
    file = LedgerFile(path)
    file.append([line(3), line(8)])
    path.write_bytes(path.read_bytes()[:cut])

    start = file.position()
    file.append([line(index) for index in (3, 8) if index >= start])

    whole = []
    for each in path.read_bytes().split(b"\n"):
        try:
            whole.append(json.loads(each)["leaf_index"])
        except ValueError:
            continue
    assert sorted(set(whole)) == [3, 8]
    assert file.position() == 9


def test_a_disk_that_takes_a_part_only_is_given_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, octets: write(descriptor, octets[:7]))
    file = LedgerFile(tmp_path / "ledger")

    file.append([line(3), line(8)])

    assert [json.loads(each)["leaf_index"] for each in (tmp_path / "ledger").read_bytes().splitlines()] == [3, 8]
