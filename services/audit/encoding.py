"""An entry in the one form that is committed to, and the lines of an export."""

from typing import Any

from services.audit.records import CHOICES, Chosen, Row, Tombstone
from shared.audit import ENTRY_VERSION
from shared.canonical import canonical_json
from shared.moments import rfc3339
from shared.tlog.note import encode_base64


def spoken(chosen: Chosen) -> dict[str, Any]:
    """What was asked for, as it stands in an export's head and in the entry that records the reading."""
    values = {name: getattr(chosen, name) for name in (*CHOICES, "aspect", "action", "actor", "outcome")}
    times = {name: getattr(chosen, name) for name in ("since", "until")}
    return {**values, **{name: None if time is None else rfc3339(time) for name, time in times.items()}}


def canonical(row: Row) -> dict[str, Any]:
    """The entry as it is committed to; equal to what `shared.audit.canonical_entry` encodes, which a test compares."""
    return {
        "v": ENTRY_VERSION,
        "id": row.id,
        "time": rfc3339(row.recorded_at),
        "service": row.service,
        "action": row.action,
        "aspect": row.aspect,
        "actor": row.actor,
        "asset": row.asset,
        "project": row.project,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
        "source": row.source,
        "outcome": row.outcome,
    }


def canonical_octets(row: Row) -> bytes:
    """The octets of `canonical` (RFC 8785).

    Raises:
        rfc8785.CanonicalizationError: A value has no canonical form.
    """
    return canonical_json(canonical(row))


def entry_line(row: Row, proof: list[str], opened: dict[str, Any] | None) -> dict[str, Any]:
    """The line of an export that has an entry; `opened` has the personal values in clear, for people."""
    line = {
        "type": "entry",
        "leaf_index": row.leaf_index,
        "salt": encode_base64(row.salt or b""),
        "entry": canonical(row),
        "inclusion_proof": proof,
    }
    return line if opened is None else {**line, "opened": opened}


def tombstone_line(tombstone: Tombstone, proof: list[str]) -> dict[str, Any]:
    """The line of an export that stands where an entry was."""
    return {
        "type": "redacted",
        "leaf_index": tombstone.leaf_index,
        "commitment": encode_base64(tombstone.commitment),
        "cause": tombstone.cause,
        "redacted_at": rfc3339(tombstone.redacted_at),
        "inclusion_proof": proof,
    }
