"""`flockctl board` against a router that plays the platform: it takes what the service takes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from services.realms.records import boards
from shared.procedures import plain
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter
from tests.integration.flockctl.test_app_commands import answering, uri

SINCE: Final = datetime(2026, 11, 25, 9, tzinfo=UTC)
CONTENT: Final = {"name": "line", "widgets": [{"layout_id": 1}]}
BOARD: Final = boards.Board(9, 3, "line\x1b[31m", "what it makes", CONTENT, 2, 1, SINCE)
LISTED: Final = boards.ListedBoard(9, 3, "line\x1b[31m", "what it makes", 2, 1, SINCE)
OPENED: Final = boards.OpenedBoard("realm-3-4-prod", boards.BoardRole.READER, "ifb_x", SINCE)
PROCEDURES: Final[dict[str, tuple[type[Any], Any]]] = {
    "board.create": (boards.CreateBoard, BOARD),
    "board.list": (boards.ListBoards, boards.BoardPage([LISTED], None)),
    "board.show": (boards.NameBoard, BOARD),
    "board.update": (boards.UpdateBoard, BOARD),
    "board.delete": (boards.NameBoard, None),
    "board.open": (boards.OpenBoard, OPENED),
}


@pytest.fixture(autouse=True)
def _knowing(router: FakeRouter) -> None:
    for name, (payload, answer) in PROCEDURES.items():
        router.script.procedures[uri(name)] = answering(payload, answer)


@pytest.fixture(name="template")
def fixture_template(tmp_path: Path) -> Path:
    file = tmp_path / "board-template.yml"
    file.write_text("name: line\nwidgets: [{layout_id: 1}]\n")
    return file


def test_a_board_is_created_shown_and_listed(router: FakeRouter, flockctl: CommandLine, template: Path) -> None:
    made = flockctl("board", "create", " line ", "--project", "plant", "--content", str(template), "--json")
    shown = flockctl("board", "show", "9", "--json")
    listed = flockctl("board", "list", "--project", "3")

    assert made.json == shown.json == {"board": plain(BOARD)}
    assert listed.out.splitlines()[0].split() == ["KEY", "NAME", "DESCRIPTION", "REVISION", "CREATED"]
    assert "\x1b" not in listed.out
    said = {"project": "plant", "name": "line", "description": "", "content": CONTENT}
    assert heard(router, uri("board.create")) == [said]
    assert heard(router, uri("board.show")) == [{"board": 9}]
    assert [each["project"] for each in heard(router, uri("board.list"))] == [3]


def test_what_is_left_out_of_a_change_is_not_said(router: FakeRouter, flockctl: CommandLine, template: Path) -> None:
    named = ("board", "update", "line", "--project", "plant")
    assert flockctl(*named, "--name", "Mill", "--json").json == {"board": plain(BOARD)}
    assert flockctl(*named, "--content", str(template), "--description", "new").status == 0
    assert flockctl(*named, "--json").status == 2

    which = {"board": "line", "project": "plant"}
    assert heard(router, uri("board.update")) == [
        {**which, "name": "Mill"},
        {**which, "content": CONTENT, "description": "new"},
    ]


def test_a_board_is_deleted_where_that_was_confirmed(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl("board", "delete", "9", "--json").error["code"] == "not_confirmed"
    ended = flockctl("board", "delete", "9", "--yes")

    assert ended.status == 0
    assert "\x1b" not in ended.out
    assert heard(router, uri("board.delete")) == [{"board": 9}]


def test_a_board_is_opened(router: FakeRouter, flockctl: CommandLine) -> None:
    opened = flockctl("board", "open", "line", "--project", "plant", "--app", "press", "--json")
    assert flockctl("board", "open", "9", "--app", "4", "--stage", "dev").out.splitlines()[0].split()[-1] == "TICKET"

    assert opened.json == {"opened": plain(OPENED)}
    assert heard(router, uri("board.open")) == [
        {"board": "line", "project": "plant", "app": "press", "stage": "PROD"},
        {"board": 9, "app": 4, "stage": "DEV"},
    ]


def test_a_content_that_is_none_is_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "x.yml"
    file.write_text("- a list")
    ended = flockctl("board", "create", "line", "--project", "plant", "--content", str(file), "--json")

    assert (ended.error["code"], ended.error["argument"]) == ("malformed_template", "content")
    assert router.script.sessions == []
