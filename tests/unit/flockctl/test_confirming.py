"""Asking once more before what cannot be undone."""

import sys

import pytest
import typer

from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError, ExitStatus


class Terminal:
    """Somebody sits there."""

    def isatty(self) -> bool:
        return True


def test_what_was_said_already_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    confirm("Delete it?", is_said=True)


def test_without_a_terminal_nobody_is_asked() -> None:
    with pytest.raises(CommandError) as refused:
        confirm("Delete it?", is_said=False)

    assert (refused.value.code, refused.value.status) == ("not_confirmed", ExitStatus.USAGE)


@pytest.mark.parametrize("said", [True, False])
def test_whoever_sits_there_decides(monkeypatch: pytest.MonkeyPatch, said: bool) -> None:
    asked: list[str] = []

    def answer(question: str, *, err: bool) -> bool:
        asked.append(question)
        return said

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(typer, "confirm", answer)
    if said:
        confirm("Delete it?", is_said=False)
    else:
        with pytest.raises(CommandError) as refused:
            confirm("Delete it?", is_said=False)
        assert refused.value.status is ExitStatus.REFUSED

    assert asked == ["Delete it?"]
