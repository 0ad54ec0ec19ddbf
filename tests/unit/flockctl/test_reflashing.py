"""Plans of new secrets: waves, who is back, and that what is begun goes on."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl import reflashing
from deploy.flockctl.errors import CommandError
from deploy.flockctl.reflashing import PLAN, Plan, Turn, Wanted, is_back, plan_of

STATES = ("waiting", "flashing", "flashed", "back", "refused")
names = st.text(max_size=80)


def device(key: int, name: str = "press", status: str = "CONNECTED", since: str | None = None) -> dict[str, Any]:
    return {"device_key": key, "name": name, "status": status, "status_since": since, "project_key": 3}


def wanted(at_once: int = 1) -> Wanted:
    return Wanted("plant", None, [], at_once)


@given(
    st.lists(st.tuples(st.integers(1, 2**53), names), min_size=1, unique_by=lambda each: each[0]), st.integers(1, 20)
)
def test_every_device_is_in_one_wave_with_a_file_of_its_own(found: list[tuple[int, str]], at_once: int) -> None:
    plan = plan_of([device(key, name) for key, name in found], wanted(at_once))
    files = [turn.file for turn in plan.turns]

    seen: list[int] = []
    while wave := plan.wave():
        assert 1 <= len(wave) <= at_once
        seen += [turn.device_key for turn in wave]
        for turn in wave:
            plan = plan.with_turn(evolve(turn, state="back"))

    assert seen == sorted(key for key, _ in found)
    assert len(set(files)) == len(found)
    assert all(Path(file).name == file and file.isascii() and not file.startswith((".", "-")) for file in files)
    assert plan.counts()["back"] == len(found)


@given(st.lists(st.sampled_from(STATES), max_size=12), st.integers(1, 5))
def test_a_wave_is_over_when_nobody_of_it_is_waited_for(states: list[Any], at_once: int) -> None:
    turns = [Turn(key, "press", f"press-{key}.flock", state) for key, state in enumerate(states, 1)]

    wave = Plan(reflashing.FORM, wanted(at_once), 3, turns).wave()

    first = next((at for at, state in enumerate(states) if state in ("waiting", "flashing", "flashed")), None)
    start = None if first is None else first // at_once * at_once
    assert wave == ([] if start is None else turns[start : start + at_once])


def test_who_was_tried_is_not_flashed_again_before_the_next_run() -> None:
    states: list[Any] = ["refused", "flashing", "flashed", "waiting"]
    plan = Plan(
        reflashing.FORM,
        wanted(2),
        3,
        [Turn(key, "press", f"press-{key}.flock", state) for key, state in enumerate(states, 1)],
    )

    assert [turn.device_key for turn in plan.ahead()] == [2]
    assert [turn.device_key for turn in plan.wave({1, 2})] == [3, 4]
    assert [turn.device_key for turn in plan.begun_again().ahead()] == [1, 2]


def test_who_is_there_comes_first() -> None:
    plan = plan_of([device(1, status="DISCONNECTED"), device(2), device(3, status="EMERGENCY")], wanted(2))

    assert [turn.device_key for turn in plan.turns] == [2, 3, 1]


@pytest.mark.parametrize(
    ("status", "since", "expected"),
    [
        ("CONNECTED", "2026-11-30T10:00:01Z", True),
        ("EMERGENCY", "2026-11-30T10:00:01Z", True),
        ("CONNECTED", "2026-11-30T10:00:00Z", False),
        ("CONNECTED", "2026-11-30T09:59:59Z", False),
        ("CONFIGURING", "2026-11-30T10:00:01Z", False),
        ("DISCONNECTED", "2026-11-30T10:00:01Z", False),
        ("CONNECTED", None, False),
    ],
)
def test_a_device_is_back_by_a_session_that_is_younger_than_its_secret(
    status: str, since: str | None, *, expected: bool
) -> None:
    turn = Turn(1, "press", "press-1.flock", "flashed", "2026-11-30T10:00:00Z")

    assert is_back(turn, device(1, "press", status, since)) is expected
    assert not is_back(evolve(turn, flashed_at=None), device(1, "press", status, since))


def test_a_plan_is_kept_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert reflashing.read(folder) is None
    plan = plan_of([device(1), device(2)], wanted())

    reflashing.write(folder, plan)

    assert reflashing.read(folder) == plan
    assert stat.S_IMODE((folder / PLAN).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "no json",
        lambda _: "{}",
        lambda plan: json.dumps({**plan, "form": "other"}),
        lambda plan: json.dumps({**plan, "wanted": {**plan["wanted"], "at_once": 0}}),
        lambda plan: json.dumps({**plan, "turns": [{**plan["turns"][0], "file": "../other.flock"}]}),
        lambda plan: json.dumps({**plan, "turns": [{**plan["turns"][0], "state": "unknown"}]}),
    ],
    ids=["text", "empty", "form", "at_once", "file", "state"],
)
def test_what_is_no_plan_of_ours_is_refused(tmp_path: Path, change: Any) -> None:
    reflashing.write(tmp_path, plan_of([device(1)], wanted()))
    content = json.loads((tmp_path / PLAN).read_text())
    (tmp_path / PLAN).write_text(change(content))

    with pytest.raises(CommandError):
        reflashing.read(tmp_path)
