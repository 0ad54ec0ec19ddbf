"""An entry's row has the octets that `shared.audit` pins."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.audit.encoding import canonical_octets, entry_line, spoken, tombstone_line
from services.audit.records import Chosen, Row, Tombstone
from shared.moments import rfc3339

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "audit_entry.json").read_text(encoding="utf-8")
)


def row_of(octets: str) -> Row:
    said = json.loads(octets)
    del said["v"]
    return Row(recorded_at=datetime.fromisoformat(said.pop("time")), **said)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["desc"] for vector in VECTORS])
def test_a_row_is_encoded_as_the_vectors_say(vector: dict[str, Any]) -> None:
    assert canonical_octets(row_of(vector["expected"])) == vector["expected"].encode()


def test_a_line_has_the_salt_and_opened_values_for_people_only() -> None:
    row = row_of(VECTORS[0]["expected"])

    assert set(entry_line(row, [], None)) == {"type", "leaf_index", "salt", "entry", "inclusion_proof"}
    assert entry_line(row, [], {"a": 1})["opened"] == {"a": 1}


def test_a_tombstone_says_when_and_why() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)

    assert tombstone_line(Tombstone(3, b"c" * 32, "retention", now), ["p"]) == {
        "type": "redacted",
        "leaf_index": 3,
        "commitment": "Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M=",
        "cause": "retention",
        "redacted_at": rfc3339(now),
        "inclusion_proof": ["p"],
    }


def test_what_was_asked_for_is_said_whole() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)

    assert spoken(Chosen(project=1, since=now)) == {
        **dict.fromkeys(("device", "app", "account", "aspect", "action", "actor", "outcome", "until")),
        "project": 1,
        "since": "2026-11-25T00:00:00.000000Z",
    }
