"""The table of flags and the source agree: nothing is decided by another flag, and none is there for nothing."""

from typing import Final

import pytest

from shared.flags import FLAGS, AssetKind
from tests.unit.shared.flag_uses import OF_AGENTS, SETS, Use, constant_sets, passed_elsewhere, uses

USES: Final = list(uses())
IN_SETS: Final = list(constant_sets())
EVERYWHERE: Final = "GRANT"
"""On whatever there is: it lets its flags be given, and others be asked about."""
APPS, YEARS = "apps, their releases and data", "running the installation for years"
LATER: Final[dict[tuple[AssetKind, str], str]] = {
    (AssetKind.DATA_BACKEND, "CONNECT"): APPS,
    **{(AssetKind.INSTALLATION, flag): YEARS for flag in ("HEALTH", "ROTATE", "BACKUP", "PLACE")},
}
"""Flags of what there is not yet, each with what will ask for it; whoever builds that takes its line away."""
TABLE: Final = {(kind, flag) for kind, flags in FLAGS.items() for flag in flags}


def decided() -> set[tuple[AssetKind, str]]:
    """By which flags of the table something is decided; on a group those of devices are decided on its devices."""
    found = {(use.kind, use.flag) for use in USES if use.kind is not None}
    found |= {(AssetKind.DEVICE, use.flag) for use in IN_SETS if use.where.endswith(OF_AGENTS)}
    found |= {(kind, EVERYWHERE) for kind in AssetKind if any(use.flag == EVERYWHERE for use in USES)}
    return found | {(AssetKind.GROUP, flag) for kind, flag in found if kind is AssetKind.DEVICE}


@pytest.mark.parametrize("use", [*USES, *IN_SETS], ids=lambda use: f"{use.where} {use.flag}")
def test_a_flag_in_the_source_is_in_the_table(use: Use) -> None:
    kinds = list(AssetKind) if use.kind is None else [use.kind]

    assert any(use.flag in FLAGS[kind] for kind in kinds), f"{use.where}: there is no {use.flag} on {kinds}"


@pytest.mark.parametrize(("kind", "flag"), sorted(TABLE), ids=str)
def test_a_flag_of_the_table_is_asked_for_or_will_be(kind: AssetKind, flag: str) -> None:
    confers = (AssetKind.DEVICE, flag) in LATER and kind is AssetKind.GROUP

    assert ((kind, flag) in decided()) != ((kind, flag) in LATER or confers)


def test_what_is_for_later_is_in_the_table() -> None:
    assert set(LATER) <= TABLE


def test_a_flag_is_passed_only_to_what_is_known_to_decide() -> None:
    """Else it would not be seen here; DELETE is a method of HTTP too."""
    assert list(passed_elsewhere({flag for _, flag in TABLE} - {"DELETE"})) == []


def test_the_source_is_read() -> None:
    kinds = {use.kind for use in USES}

    assert kinds >= {AssetKind.PROJECT, AssetKind.DEVICE, AssetKind.GROUP, AssetKind.INSTALLATION}
    assert {use.where.split(" ")[1] for use in IN_SETS} == set(SETS)
