"""Which backups a restore needs."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deploy.backup.chains import Chain, chain_for, spent
from deploy.backup.errors import BackupError
from deploy.backup.manifest import Kind, Manifest, Member
from deploy.backup.sealing import Part

FILES = Part("files.tar.gz.age", 10, "00")
BASE = Part("base.tar.gz.age", 100, "11")


def piece(at: int) -> str:
    """The name of the piece of the log that was full at `at`."""
    return f"{1:08X}{0:08X}{at // 50:08X}"


def backup(at: int, kind: Kind = Kind.FULL, parent: str | None = None) -> Manifest:
    """A backup that began at `at` and took two seconds; a piece of the log is full each 50, the last came once more."""
    parts = (FILES, *(Part(f"wal-{piece(at - back)}.gz.age", 5, "22") for back in (50, 0)))
    return Manifest(
        format=1,
        backup_id=f"{at:06}-{kind.value}",
        kind=kind,
        parent=parent,
        began_at=float(at),
        restorable_until=at + 2.0,
        system_identifier="7",
        timeline=1,
        server_version=180_001,
        segment_octets=16,
        log_size=0,
        parts=parts if kind is Kind.WAL else (BASE, *parts),
    )


FULL = backup(100)
FIRST = backup(200, Kind.INCREMENTAL, FULL.backup_id)
LOG = backup(250, Kind.WAL)
SECOND = backup(300, Kind.INCREMENTAL, FIRST.backup_id)
LATER = backup(400)
ALL = [FULL, FIRST, LOG, SECOND, LATER]


def test_the_newest_moment_takes_the_newest_backup_alone() -> None:
    chain = chain_for(ALL, None)

    assert chain.first.bases == (LATER,)
    assert (chain.until, list(chain.first.log)) == (402.0, [piece(350), piece(400)])


def test_a_moment_between_takes_the_line_of_backups_before_it_and_the_log_behind() -> None:
    chain = chain_for(ALL, 251.0)

    assert chain.first.bases == (FULL, FIRST)
    assert chain.files.backup_id == FIRST.backup_id
    assert piece(250) in chain.first.log
    assert piece(300) in chain.first.log


@pytest.mark.parametrize(("have", "point"), [([], None), ([LOG], None), (ALL, 101.0), (ALL, 500.0), ([FIRST], None)])
def test_what_cannot_be_brought_back_is_refused(have: list[Manifest], point: float | None) -> None:
    with pytest.raises(BackupError):
        chain_for(have, point)


def test_a_backup_that_is_its_own_ancestor_is_refused() -> None:
    with pytest.raises(BackupError):
        chain_for([evolve(FIRST, parent=FIRST.backup_id)], None)


def test_the_log_of_another_cluster_or_timeline_is_not_taken() -> None:
    others = [evolve(LOG, backup_id="000251-wal", system_identifier="8"), evolve(LOG, timeline=2)]

    assert piece(250) not in chain_for([FULL, FIRST, *others], None).first.log


def test_a_history_of_the_timeline_is_taken_along_and_is_no_hole() -> None:
    history = Part("wal-00000002.history.gz.age", 5, "33")
    have = [evolve(each, timeline=2, parts=(*each.parts, history)) for each in (FULL, FIRST)]

    chain = chain_for(have, None)

    assert chain.first.log["00000002.history"].backup_id == FULL.backup_id
    assert chain.first.through == 150 // 50 * 16 + 16


def test_a_restore_begins_behind_every_timeline_that_backups_have_of_the_cluster() -> None:
    another = evolve(LATER, backup_id="000401-full", system_identifier="8", timeline=7)
    have = [FULL, FIRST, evolve(LATER, timeline=3), another]

    assert chain_for(have, 202.0).first.newest_timeline == 3


def test_of_two_pieces_of_one_name_the_older_one_is_taken() -> None:
    other = evolve(backup(200), restorable_until=500.0, backup_id="000500-full")

    assert chain_for([FULL, FIRST, other], 202.0).first.log[piece(200)].backup_id == FIRST.backup_id


@pytest.mark.parametrize(("point", "last"), [(202.0, 200), (203.0, 250), (251.0, 250), (252.5, 300)])
def test_the_log_is_to_be_there_up_to_the_backup_that_the_moment_is_in(point: float, last: int) -> None:
    assert chain_for(ALL, point).first.through == last // 50 * 16


def test_a_log_with_a_hole_brings_back_what_is_before_it_and_nothing_behind() -> None:
    behind = backup(350, Kind.WAL)  # it has 300 and 350

    assert chain_for([FULL, FIRST, behind], 202.0).until == 202.0
    for point in (203.0, None):
        with pytest.raises(BackupError, match="hole"):
            chain_for([FULL, FIRST, behind], point)
    assert chain_for([FULL, FIRST, LOG, behind], None).until == 352.0


def test_a_log_is_counted_on_across_the_end_of_a_number() -> None:
    names = (f"{1:08X}{4:08X}{2**28 - 1:08X}", f"{1:08X}{5:08X}{0:08X}")
    first, later = (
        evolve(each, parts=(BASE, FILES, Part(f"wal-{name}.gz.age", 5, "22")))
        for each, name in zip((FULL, LOG), names, strict=True)
    )

    assert list(chain_for([first, later], None).first.log) == list(names)


def test_what_counts_is_what_a_backup_brings_back_not_when_its_run_began_to_wait() -> None:
    waited = evolve(backup(250, Kind.WAL), began_at=199.0, backup_id="000199-wal")

    chain = chain_for([FULL, waited, FIRST], None)

    assert (chain.until, chain.files.backup_id) == (252.0, waited.backup_id)
    assert spent([waited, backup(200)], 300.0) == []


@pytest.mark.parametrize(
    ("point", "around"),
    [(202.0, (FULL, FIRST, LOG)), (251.0, (FULL, FIRST, LOG)), (252.0, (FIRST, LOG, SECOND)), (402.0, (LATER,))],
)
def test_keys_are_those_of_the_backups_around_the_moment(point: float, around: tuple[Manifest, ...]) -> None:
    assert [each.backup_id for each in chain_for(ALL, point).keys] == [each.backup_id for each in around]


def made(kinds: list[Kind]) -> list[Manifest]:
    """Backups of those kinds, one each hundred seconds; the first that is not the log alone is a full one."""
    have: list[Manifest] = []
    for place, kind in enumerate(kinds):
        whole = [each for each in have if each.kind is not Kind.WAL]
        wanted = Kind.FULL if kind is Kind.INCREMENTAL and not whole else kind
        have.append(backup(100 * (place + 1), wanted, whole[-1].backup_id if wanted is Kind.INCREMENTAL else None))
    return have


def brings_back(have: list[Manifest], point: float) -> Chain | None:
    """The chain for `point`; None where there is none."""
    try:
        return chain_for(have, point)
    except BackupError:
        return None


@given(
    kinds=st.lists(st.sampled_from(list(Kind)), max_size=12), before=st.integers(0, 1400), later=st.integers(0, 1400)
)
def test_without_what_is_spent_every_later_moment_comes_back_as_before(
    kinds: list[Kind], before: int, later: int
) -> None:
    have = made(kinds)
    gone = spent(have, float(before))
    rest = [each for each in have if each not in gone]

    then, now = (brings_back(each, float(before + later)) for each in (have, rest))

    assert (then is None) == (now is None)
    assert then is None or now is None or (then.lines, then.files, then.until) == (now.lines, now.files, now.until)
    assert not gone or rest[0].kind is Kind.FULL


@given(kinds=st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=12), point=st.integers(0, 1400))
def test_a_chain_begins_with_a_full_backup_and_ends_before_the_moment(kinds: list[Kind], point: int) -> None:
    have = made(kinds)

    try:
        chain = chain_for(have, float(point))
    except BackupError:
        fits = [each for each in have if each.kind is not Kind.WAL and each.restorable_until <= point]
        assert not fits or point > max(each.restorable_until for each in have)
        return

    assert chain.first.bases[0].kind is Kind.FULL
    assert all(each.kind is Kind.INCREMENTAL for each in chain.first.bases[1:])
    assert chain.newest.restorable_until <= point


def of_two(each: Manifest, *, is_there: bool = True) -> Manifest:
    """The backup with a second server in it, whose pieces of the log are its own; or without it, as was asked for."""
    if not is_there:
        return evolve(each, absent=("south",))
    parts = tuple(part for part in each.parts if part != FILES)
    south = Member("south", each.kind, each.parent, "8", 1, 180_001, 16, parts)
    return evolve(each, members=(south,))


def test_every_server_is_brought_to_the_same_moment() -> None:
    chain = chain_for([of_two(each) for each in ALL], 251.0)

    first, south = chain.lines
    assert (first.server, south.server, chain.until, chain.target) == ("first", "south", 251.0, 251.0)
    assert [each.backup_id for each in south.bases] == [f"{each.backup_id}/south" for each in (FULL, FIRST)]
    assert {each.system_identifier for each in south.bases} == {"8"}
    assert south.log[piece(250)].backup_id.endswith("/south")


def test_the_newest_moment_is_the_newest_of_every_server() -> None:
    have = [of_two(FULL), of_two(FIRST), of_two(LOG, is_there=False)]

    assert chain_for(have, None).until == 202.0
    alone = chain_for(have, None, without=["south"])
    assert (alone.until, [line.server for line in alone.lines]) == (252.0, ["first"])
    with pytest.raises(BackupError, match="of the database server south do not reach"):
        chain_for(have, 251.0)


def test_a_server_that_no_backup_has_is_told_by_its_name() -> None:
    with pytest.raises(BackupError, match="no backup of the database server south"):
        chain_for([of_two(FULL, is_there=False)], None)


def test_a_full_backup_without_a_server_spends_none_of_before() -> None:
    assert spent([of_two(FULL), of_two(FIRST), of_two(LATER, is_there=False)], 500.0) == []
    assert spent([of_two(FULL), of_two(FIRST), of_two(LATER)], 500.0) == [of_two(FULL), of_two(FIRST)]
