"""As what a board joins a data realm, from the flags of who opens it. Pure."""

from services.realms.records.boards import BoardRole


def role_of(*, reads_board: bool, reads_data: bool, writes_data: bool) -> BoardRole | None:
    """The most that the flags let a board be: `READ` on the board and on the data, and `WRITE` to write."""
    if not (reads_board and reads_data):
        return None
    return BoardRole.WRITER if writes_data else BoardRole.READER


def may_stay(role: BoardRole, most: BoardRole | None) -> bool:
    """Whether a session of that role goes on where the flags let it be `most`; a writer does not turn reader."""
    return most is BoardRole.WRITER or (most is not None and role is most)
