"""What is typed into a terminal goes in order, in pieces, and its size and its end after it."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from deploy.flockctl.commands.terminal import AT_ONCE, ESCAPE, Desk
from deploy.flockctl.errors import AwayError


class Calls:
    """A connection on which each call is answered when the test says so."""

    def __init__(self) -> None:
        """Nothing was called."""
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.waiting: list[Deferred[None]] = []

    def call(self, procedure: str, **arguments: Any) -> "Deferred[None]":
        """Remember it."""
        assert arguments.pop("terminal") == "t"
        self.made.append((procedure.rpartition("_")[2], arguments))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def answer(self) -> None:
        """The oldest call is done."""
        self.waiting.pop(0).callback(None)


def test_nothing_goes_before_there_is_a_terminal_and_then_in_order() -> None:
    calls = Calls()
    desk = Desk(calls)  # type: ignore[arg-type]
    desk.typed("ls")
    desk.resized(100, 30)
    assert calls.made == []

    desk.hear({"terminal": "t"})
    desk.typed("\r" + "x" * AT_ONCE)
    desk.typed("")
    for _ in range(4):
        calls.answer()

    assert [name for name, _ in calls.made] == ["resize", "write", "write", "close"]
    assert "".join(said.get("keys", "") for _, said in calls.made) == "ls\r" + "x" * AT_ONCE
    assert all(len(said.get("keys", "")) <= AT_ONCE for _, said in calls.made)


def test_what_is_typed_after_the_escape_goes_nowhere() -> None:
    calls = Calls()
    desk = Desk(calls)  # type: ignore[arg-type]
    desk.hear({"terminal": "t"})

    desk.typed(f"a{ESCAPE}b")
    calls.answer()
    calls.answer()

    assert calls.made == [("write", {"keys": "a"}), ("close", {})]


def test_what_is_printed_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(Calls())  # type: ignore[arg-type]
    desk.hear({"output": "\x1b[1mbold"})
    assert capsys.readouterr().out == "\x1b[1mbold"


def test_a_key_that_could_not_be_sent_is_for_the_stream_to_say() -> None:
    calls = Calls()
    desk = Desk(calls)  # type: ignore[arg-type]
    desk.hear({"terminal": "t"})
    desk.typed("a")

    calls.waiting.pop(0).errback(AwayError("away"))
    desk.typed("b")

    assert [said for _, said in calls.made] == [{"keys": "a"}, {"keys": "b"}]
