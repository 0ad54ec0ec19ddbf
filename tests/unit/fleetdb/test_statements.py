"""What is recorded of a session of SQL, held against a server that is played here: what runs is always among it."""

from typing import Final

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.records.sql import Frame
from services.fleetdb.rules import pgwire, statements
from services.fleetdb.rules.pgwire import ProtocolError
from services.fleetdb.rules.statements import Statements

MUCH: Final = 1_000


def frame(tag: bytes, *words: str) -> Frame:
    body = "".join(f"{word}\0" for word in words).encode()
    return Frame(tag, pgwire.message(tag, body + (b"\0\0" if tag in b"PB" else b"")))


def parse(name: str, text: str) -> Frame:
    return frame(b"P", name, text)


def bind(name: str) -> Frame:
    return frame(b"B", "", name)


SYNC: Final = frame(b"S")


def query(text: str) -> Frame:
    return frame(b"Q", text)


def close(name: str) -> Frame:
    return frame(b"C", f"S{name}")


def begun(kept: Statements, *frames: Frame) -> list[tuple[str, ...]]:
    return [kept.begun_by(each) for each in frames]


@define
class Server:
    """PostgreSQL, as far as statements have names: what runs, and what it answers."""

    named: dict[str, str] = field(factory=dict)
    ran: list[str] = field(factory=list)
    is_skipping: bool = False

    def take(self, frame: Frame) -> list[bytes]:
        if frame.tag == b"S":
            self.is_skipping = False
            return [b"Z"]
        if self.is_skipping:
            return []
        return self._do(frame)

    def _do(self, frame: Frame) -> list[bytes]:
        words = frame.body.decode().split("\0")
        match frame.tag:
            case b"Q":
                self.named.pop("", None)
                self.ran.append(words[0])
                return [b"E", b"Z"] if "fails" in words[0] else [b"C", b"Z"]
            case b"P":
                if (words[0] and words[0] in self.named) or "fails" in words[1]:
                    return self._fail()
                self.named[words[0]] = words[1]
                return [b"1"]
            case b"C":
                self.named.pop(words[0][1:], None)
                return [b"3"]
            case _:
                if words[1] not in self.named:
                    return self._fail()
                self.ran.append(self.named[words[1]])
                return [b"2"]

    def _fail(self) -> list[bytes]:
        self.is_skipping = True
        return [b"E"]


names = st.sampled_from(["", "a", "b"])
texts = st.sampled_from(["SELECT 1", "SELECT gold", "fails"])
messages = st.one_of(
    st.builds(parse, names, texts),
    st.builds(bind, names),
    st.just(SYNC),
    st.builds(query, texts),
    st.builds(close, names),
)


@given(st.lists(st.tuples(messages, st.integers(0, 4)), max_size=40))
def test_whatever_a_client_sends_and_whenever_the_server_answers_what_runs_was_recorded_before(
    sent: list[tuple[Frame, int]],
) -> None:
    kept, server, answers = Statements(MUCH, MUCH), Server(), list[bytes]()
    for each, heard in sent:
        try:
            recorded = kept.begun_by(each)
        except ProtocolError:
            continue  # and it is not passed on
        before = len(server.ran)
        answers += server.take(each)
        assert set(server.ran[before:]) <= set(recorded)
        for tag in answers[:heard]:
            kept.answered(tag)
        del answers[:heard]


@pytest.mark.parametrize(
    ("sent", "recorded"),
    [
        (query("SELECT 1"), ("SELECT 1",)),
        (query("SELECT 'ü'"), ("SELECT 'ü'",)),
        (query(""), ("",)),
        (parse("s1", "SELECT $1"), ()),
        (bind("s1"), ("EXECUTE s1",)),
        (bind(""), ("EXECUTE",)),
        (SYNC, ()),
        (frame(b"X"), ()),
    ],
)
def test_one_message(sent: Frame, recorded: tuple[str, ...]) -> None:
    assert Statements(MUCH, MUCH).begun_by(sent) == recorded


def test_what_is_prepared_once_is_told_each_time_that_it_is_bound() -> None:
    kept = Statements(MUCH, MUCH)
    begun(kept, parse("a", "SELECT 1"), SYNC)
    for tag in (b"1", b"Z"):
        kept.answered(tag)

    assert begun(kept, bind("a"), bind("a"), SYNC, bind("a")) == [("SELECT 1",), ("SELECT 1",), (), ("SELECT 1",)]


def test_a_name_that_the_server_refuses_to_give_again_stays_what_it_was() -> None:
    kept = Statements(MUCH, MUCH)
    begun(kept, parse("a", "SELECT gold"), SYNC)
    for tag in (b"1", b"Z"):
        kept.answered(tag)

    begun(kept, parse("a", "SELECT 1"), SYNC)
    assert begun(kept, bind("a")) == [("SELECT gold", "SELECT 1")]  # the answer may be under way
    begun(kept, SYNC)
    for tag in (b"E", b"Z", b"Z"):
        kept.answered(tag)
    assert begun(kept, bind("a")) == [("SELECT gold",)]


def test_what_is_skipped_after_an_error_changes_no_name() -> None:
    kept = Statements(MUCH, MUCH)
    begun(kept, parse("", "SELECT gold"), SYNC)
    for tag in (b"1", b"Z"):
        kept.answered(tag)

    begun(kept, bind("nothing"), parse("", "SELECT 1"), close("a"), SYNC)
    for tag in (b"E", b"Z"):
        kept.answered(tag)
    assert begun(kept, bind("")) == [("SELECT gold",)]


def test_a_name_that_sql_itself_may_have_given_is_told_too() -> None:
    kept = Statements(MUCH, MUCH)
    begun(kept, parse("a", "SELECT 1"), SYNC)
    for tag in (b"1", b"Z"):
        kept.answered(tag)
    begun(kept, query("DEALLOCATE a"), query("PrePare a AS SELECT gold"))

    assert begun(kept, bind("a")) == [("EXECUTE a", "SELECT 1")]


def test_what_is_too_long_to_be_kept_is_told_when_it_is_prepared() -> None:
    kept = Statements(10, 15)

    assert begun(kept, parse("long", "SELECT 'longer'"), bind("long")) == [("SELECT 'longer'",), ("EXECUTE long",)]
    assert begun(kept, parse("a", "SELECT 1"), parse("b", "SELECT 2"), bind("b"), bind("a")) == [
        (), ("SELECT 2",), ("EXECUTE b",), ("SELECT 1",),
    ]  # fmt: skip


def test_room_is_given_back_by_what_is_replaced_closed_and_skipped() -> None:
    kept = Statements(10, 20)
    for _ in range(5):
        assert begun(kept, parse("", "SELECT 1"), SYNC) == [(), ()]
        for tag in (b"1", b"Z"):
            kept.answered(tag)
    for _ in range(5):
        assert begun(kept, parse("a", "SELECT 1"), close("a"), SYNC) == [(), (), ()]
        for tag in (b"1", b"3", b"Z"):
            kept.answered(tag)
    for _ in range(5):
        assert begun(kept, bind("nothing"), parse("a", "SELECT 1"), SYNC) == [("EXECUTE nothing",), (), ()]
        for tag in (b"E", b"Z"):
            kept.answered(tag)


def test_a_query_waits_for_a_sync() -> None:
    kept = Statements(MUCH, MUCH)
    begun(kept, parse("", "SELECT 1"))
    with pytest.raises(ProtocolError, match="Sync"):
        kept.begun_by(query("SELECT 2"))
    begun(kept, SYNC, query("SELECT 2"))


def test_no_more_waits_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MAX_WAITING", 3)
    kept = Statements(MUCH, MUCH)
    begun(kept, *[parse("", "SELECT 1")] * 3)
    with pytest.raises(ProtocolError, match="wait for the server"):
        kept.begun_by(SYNC)
    kept.answered(b"1")
    kept.begun_by(SYNC)


@pytest.mark.parametrize("tag", [b"Q", b"P", b"B", b"C"])
def test_a_malformed_statement_is_refused(tag: bytes) -> None:
    with pytest.raises(ProtocolError):
        Statements(MUCH, MUCH).begun_by(Frame(tag, pgwire.message(tag, b"x")))
