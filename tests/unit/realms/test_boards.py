"""As what a board joins, and whether its session may go on."""

from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.boards import BoardRole
from services.realms.rules.boards import may_stay, role_of

FLAGS = st.tuples(st.booleans(), st.booleans(), st.booleans())


def most(flags: tuple[bool, bool, bool]) -> BoardRole | None:
    return role_of(reads_board=flags[0], reads_data=flags[1], writes_data=flags[2])


def test_a_board_reads_with_both_flags_and_writes_with_all_three() -> None:
    assert most((True, True, True)) is BoardRole.WRITER
    assert most((True, True, False)) is BoardRole.READER
    for flags in ((True, False, True), (False, True, True), (False, False, True), (False, False, False)):
        assert most(flags) is None


@given(FLAGS, FLAGS)
def test_a_session_goes_on_where_it_could_be_opened_so_again(
    before: tuple[bool, bool, bool], now: tuple[bool, bool, bool]
) -> None:
    role = most(before)
    if role is None:
        return
    needed = (True, True, role is BoardRole.WRITER)

    assert may_stay(role, most(now)) == all(has or not needs for has, needs in zip(now, needed, strict=True))


@given(st.sampled_from(BoardRole), FLAGS)
def test_what_may_stay_is_no_more_than_what_the_flags_let_it_be(
    role: BoardRole, flags: tuple[bool, bool, bool]
) -> None:
    if may_stay(role, most(flags)):
        assert flags[0]
        assert flags[1]
        assert flags[2] or role is BoardRole.READER
