"""What followers were sent is summed up by the minute, given until it is written down, and bounded."""

from typing import Any

import pytest
from autobahn.wamp import message

from ironflock_router import followers as module
from ironflock_router.followers import AGAIN_S, MINUTE_S, UNRECORDED, Followers
from ironflock_router.records import Identity

READER = {"device_key": 8, "project_key": 1, "app_key": 27, "stage": "dev"}
BOARD = {"account_key": 5, "board_key": 9}


class Session:
    """A session in a data realm."""

    def __init__(self, number: int = 1, role: str = "app_reader", extra: dict[str, Any] | None = None) -> None:
        self._session_id: int | None = number
        self.identity: Identity | None = Identity("realm-1-26-dev", "x", role, "wampcra", extra or READER)
        self.left: list[str | None] = []

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """Note the reason."""
        assert message
        self.left.append(reason)


def event(topic: str, *args: Any) -> message.Event:
    sent = message.Event(1, 2, args=list(args))
    sent.correlation_uri = topic
    return sent


def sums(followers: Followers, done: int = 0) -> list[tuple[Any, ...]]:
    """Of what is taken: session, table, events, rows."""
    return [(each["session"], each["table"], each["events"], each["rows"]) for each in followers.take(done)["sums"]]


def test_a_minute_of_one_table_is_one_sum() -> None:
    now = [100.0]
    followers, session = Followers(lambda: now[0]), Session()
    for topic, *args in (
        ("transformed.readings", {"a": 1}),
        ("transformed.bulk.readings", [{"a": 1}] * 3),
        ("transformed.totals", [{"a": 1}] * 2),
        ("files.events", {}),
        ("wamp.session.on_join",),
    ):
        now[0] += 1
        followers.delivered(session, event(topic, *args))
    assert sums(followers) == []
    now[0] = 101 + MINUTE_S
    taken = followers.take()
    assert taken["sums"] == [
        {
            "project_key": 1,
            "app_key": 26,
            "stage": "dev",
            "session": 1,
            "role": "app_reader",
            "device_key": 8,
            "account_key": None,
            "board_key": None,
            "reader_app_key": 27,
            "table": "readings",
            "from_ms": 101_000,
            "to_ms": 102_000,
            "events": 2,
            "rows": 4,
        }
    ]
    now[0] += 3
    assert sums(followers, taken["number"]) == [(1, "totals", 1, 2)]


def test_the_next_minute_is_another_and_what_is_over_is_over() -> None:
    now = [0.0]
    followers, session, board = Followers(lambda: now[0]), Session(), Session(2, "board_reader", BOARD)
    followers.delivered(session, event("transformed.t", {}))
    now[0] = MINUTE_S
    followers.delivered(session, event("transformed.t", {}))
    followers.delivered(board, event("transformed.t", {}))
    followers.left(board)
    followers.left(board)
    assert sums(followers) == [(1, "t", 1, 1), (2, "t", 1, 1)]


def test_what_was_not_said_to_be_written_down_is_given_again() -> None:
    now = [0.0]
    followers, session = Followers(lambda: now[0]), Session()
    followers.delivered(session, event("transformed.t", {}))
    followers.left(session)
    first = followers.take()
    assert followers.take() == {"number": 0, "sums": []}
    now[0] += AGAIN_S
    assert followers.take() == first
    assert followers.take(first["number"]) == {"number": 0, "sums": []}
    now[0] += AGAIN_S
    assert followers.take(first["number"]) == {"number": 0, "sums": []}


def test_who_needs_a_sum_more_than_are_kept_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    followers, session, other = Followers(lambda: 0.0), Session(), Session(2)
    for table in "abaca":
        followers.delivered(session, event(f"transformed.{table}", {}))
    assert session.left == [UNRECORDED]
    followers.left(session)
    followers.delivered(other, event("transformed.a", {}))
    assert other.left == [UNRECORDED]
    number = followers.take()["number"]
    followers.take(number)
    followers.delivered(other, event("transformed.a", {}))
    assert len(other.left) == 1


def test_many_are_given_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    followers, session = Followers(lambda: 0.0), Session()
    for table in "abc":
        followers.delivered(session, event(f"transformed.{table}", {}))
    followers.left(session)
    first = followers.take()
    assert [each["table"] for each in first["sums"]] == ["a", "b"]
    assert [each["table"] for each in followers.take(first["number"])["sums"]] == ["c"]
