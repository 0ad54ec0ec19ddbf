"""Sessions end with their credential."""

from ironflock_router.expiry import CREDENTIAL_ENDED, Expiry


class Session:
    """A person's session."""

    def __init__(self) -> None:
        """Still there."""
        self.left: list[str | None] = []

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """Note the reason."""
        assert message
        self.left.append(reason)


def test_a_session_ends_once_when_its_credential_does() -> None:
    now = [0.0]
    expiry = Expiry(lambda: now[0])
    session, other, gone = Session(), Session(), Session()
    for watched, ends_at in ((session, 10.0), (other, 20.0), (gone, 5.0)):
        expiry.watch(watched, ("key",), ends_at)
    expiry.forget(gone)
    for now[0] in (9.9, 10.0, 11.0):
        expiry.look()
    assert session.left == [CREDENTIAL_ENDED]
    assert other.left == []
    assert gone.left == []


def test_the_sessions_of_a_credential_that_ends_early_end_and_no_other() -> None:
    expiry = Expiry(lambda: 0.0)
    mine, too, other, gone = Session(), Session(), Session(), Session()
    for session, credential in ((mine, "key"), (too, "key"), (other, "other"), (gone, "key")):
        expiry.watch(session, (credential,), 10.0)
    expiry.forget(gone)

    assert expiry.end(["key", "unknown"]) == 2
    assert expiry.end(["key"]) == 0

    assert mine.left == too.left == [CREDENTIAL_ENDED]
    assert other.left == gone.left == []


def test_a_session_that_lives_from_several_credentials_ends_with_the_first_of_them() -> None:
    expiry = Expiry(lambda: 0.0)
    board, another = Session(), Session()
    expiry.watch(board, ("ticket", "key"), 10.0)
    expiry.watch(another, ("other", "key"), 10.0)

    assert expiry.end(["ticket", "ticket"]) == 1
    assert expiry.end(["ticket", "key"]) == 1
    assert expiry.end(["other"]) == 0

    assert board.left == another.left == [CREDENTIAL_ENDED]
