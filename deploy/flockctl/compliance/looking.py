"""Which checks of `flockctl doctor` had something to look at: what was not seen is no evidence of anything."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from deploy.flockctl.doctor.checks import Check
from deploy.flockctl.doctor.records import Facts


def _database(facts: Facts) -> bool:
    return facts.database is not None


def _log(facts: Facts) -> bool:
    return facts.database is not None and facts.log is not None


def _settings(facts: Facts) -> bool:
    return bool(facts.settings)


def _clocks(facts: Facts) -> bool:
    return bool(facts.clocks)


def _listeners(facts: Facts) -> bool:
    return bool(facts.listeners) and not any(each.problem for each in facts.listeners)


def _parts(facts: Facts) -> bool:
    return bool(facts.parts)


def _cells(facts: Facts) -> bool:
    return bool(facts.cells)


# By the code of a check; one that is not here looks at what is always there: files, disks, the launcher's word.
NEEDS: Final[Mapping[str, Callable[[Facts], bool]]] = {
    "older_release": _parts,
    "certificate_not_taken": _listeners,
    "old_tls": _listeners,
    "clock_apart": _clocks,
    **dict.fromkeys(
        (
            "connections_taken",
            "migrations",
            "postgres_version",
            "database_without_tls",
            "superuser",
            "transaction_open",
            "wal_kept",
            "outbox_stuck",
            "intent_open",
            "legacy_mode",
            "public_tunnels",
            "restored_without_ledger",
            "rows_kept",
        ),
        _database,
    ),
    **dict.fromkeys(("cell_not_joined", "cell_not_placed", "cell_endpoint"), _cells),
    "cell_away": _parts,
    **dict.fromkeys(("open_sign_up", "loose_limit", "any_address"), _settings),
    **dict.fromkeys(("audit_log", "no_witness"), _log),
}


def looked_at(facts: Facts, checks: Iterable[Check]) -> frozenset[str]:
    """The codes of those of `checks` that had something to look at."""
    return frozenset(
        check.code
        for check in checks
        if check.code not in facts.unseen and (check.code not in NEEDS or NEEDS[check.code](facts))
    )
