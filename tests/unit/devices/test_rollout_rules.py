"""Rollouts: who gets a turn in which wave, what is next, and what became of a turn."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.devices.records.apps import AppOnDevice, AppRelease
from services.devices.records.rollouts import (
    Aim,
    Before,
    Candidate,
    Pace,
    Rollout,
    Turn,
    WaveTally,
    Window,
)
from services.devices.rules import rollouts as rules
from services.devices.rules.rollouts import Act
from shared.errors import InvalidArgumentError, NotSupportedError

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday
OLD, NEW, OTHER = AppRelease(260, "1.0.0"), AppRelease(261, "1.1.0"), AppRelease(262, "1.2.0")
UPGRADE = Aim("upgrade", 26, "PROD", NEW)
PORTIONS = st.one_of(st.integers(1, 30), st.integers(1, 100).map(lambda share: f"{share}%"))


def candidate(key: int = 1, **changes: Any) -> Candidate:
    made = Candidate(
        device_key=key,
        name=f"press-{key}",
        is_online=True,
        is_leaving=False,
        has_flag=True,
        has_architecture=True,
        is_taken=False,
        target="RUNNING",
        state="RUNNING",
        release=OLD,
        present=OLD,
    )
    return evolve(made, **changes)


def rollout(**changes: Any) -> Rollout:
    made = Rollout(
        rollout_key=7,
        project_key=3,
        aim=UPGRADE,
        meant={"project": 3},
        pace=Pace(),
        account_key=5,
        credential=None,
        state="running",
        wave=1,
        waves=2,
        wave_ended_at=None,
        reason=None,
        by_account_key=None,
        created_at=NOW,
        ended_at=None,
        revision=1,
    )
    return evolve(made, **changes)


def turn(**changes: Any) -> Turn:
    made = Turn(7, 1, 1, "ordered", None, NOW, None, 4, Before("RUNNING", OLD))
    return evolve(made, **changes)


def app(**changes: Any) -> AppOnDevice:
    made = AppOnDevice(
        device_key=1,
        app_key=26,
        stage="PROD",
        created_at=NOW,
        app_name="Press",
        target="RUNNING",
        state="RUNNING",
        state_since=NOW - timedelta(hours=1),
        release=NEW,
        present=NEW,
        previous=OLD,
        wanted_before=(),
        requestor_account_key=5,
        app_cred_epoch=1,
        environment=None,
        ports=None,
        reported_ports=[],
        revision=4,
        told_revision=4,
        is_offered=True,
        refusal=None,
    )
    return evolve(made, **changes)


@given(st.lists(PORTIONS, max_size=8), st.integers(0, 300))
def test_waves_hold_every_device_once(waves: list[int | str], devices: int) -> None:
    sizes = rules.wave_sizes(waves, devices)

    assert sum(sizes) == devices
    assert all(size > 0 for size in sizes)
    assert len(sizes) <= len(waves) + 1
    assert sizes == [] or sizes[0] <= devices


@pytest.mark.parametrize(
    ("waves", "devices", "sizes"),
    [
        ([], 500, [500]),
        ([1, "10%"], 500, [1, 50, 449]),
        (["1%"], 10, [1, 9]),
        (["50%", "50%"], 5, [3, 2]),
        ([7], 3, [3]),
        ([1], 0, []),
    ],
)
def test_shares_are_rounded_up_and_the_rest_is_the_last_wave(waves: Any, devices: int, sizes: list[int]) -> None:
    assert rules.wave_sizes(waves, devices) == sizes


@pytest.mark.parametrize(("portion", "of", "count"), [(3, 500, 3), ("3%", 500, 15), ("3%", 30, 0), ("100%", 7, 7)])
def test_a_share_of_failures_is_rounded_down(portion: Any, of: int, count: int) -> None:
    assert rules.count_of(portion, of) == count


@pytest.mark.parametrize(
    ("aim", "changes", "reason"),
    [
        (UPGRADE, {}, None),
        (UPGRADE, {"has_flag": False, "is_leaving": True}, "flag_missing"),
        (UPGRADE, {"is_leaving": True}, "being_deleted"),
        (UPGRADE, {"has_architecture": False}, "architecture_missing"),
        (UPGRADE, {"target": None}, "not_installed"),
        (UPGRADE, {"target": "UNINSTALLED"}, "not_installed"),
        (UPGRADE, {"release": NEW}, "same_release"),
        (UPGRADE, {"is_taken": True}, "other_rollout"),
        (UPGRADE, {"is_online": False}, None),
        (Aim("install", 26, "PROD", NEW), {}, "installed_already"),
        (Aim("install", 26, "PROD", NEW), {"target": None}, None),
        (Aim("install", 26, "PROD", NEW), {"target": "UNINSTALLED"}, None),
        (Aim("start", 26, "PROD"), {}, "is_so_already"),
        (Aim("start", 26, "PROD"), {"state": "FAILED"}, None),
        (Aim("start", 26, "PROD"), {"has_architecture": False, "target": "PRESENT"}, None),
        (Aim("stop", 26, "PROD"), {}, None),
        (Aim("stop", 26, "PROD"), {"target": "PRESENT", "state": "PRESENT"}, "is_so_already"),
        (Aim("update_agent"), {"target": None, "has_architecture": False}, None),
        (Aim("update_agent"), {"is_taken": True}, "other_rollout"),
    ],
)
def test_a_plan_says_why_a_device_gets_no_turn(aim: Aim, changes: dict[str, Any], reason: str | None) -> None:
    assert rules.left_out(aim, Pace(), candidate(**changes)) == reason


def test_who_is_away_is_skipped_where_that_is_wanted() -> None:
    away = candidate(is_online=False)

    assert rules.left_out(UPGRADE, Pace(offline="skip"), away) == "offline"
    assert rules.left_out(UPGRADE, Pace(offline="wait"), away) is None


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.lists(PORTIONS, max_size=4))
def test_only_who_gets_a_turn_is_in_a_wave_and_the_digest_tells_plans_apart(
    has_flag: list[bool], waves: list[int | str]
) -> None:
    candidates = [candidate(key, has_flag=has) for key, has in enumerate(has_flag, 1)]
    pace = Pace(waves=waves)
    devices, sizes = rules.planned(UPGRADE, pace, candidates[::-1])

    assert [each.device_key for each in devices] == list(range(1, len(has_flag) + 1))
    assert [each.wave is not None for each in devices] == has_flag
    assert [sum(each.wave == wave for each in devices) for wave in range(1, len(sizes) + 1)] == sizes
    digest = rules.digest(UPGRADE, pace, devices)
    assert digest == rules.digest(UPGRADE, pace, devices)
    flipped, _ = rules.planned(UPGRADE, pace, [evolve(each, has_flag=not each.has_flag) for each in candidates])
    assert digest != rules.digest(UPGRADE, pace, flipped)
    assert digest != rules.digest(evolve(UPGRADE, release=OTHER), pace, devices)
    assert digest != rules.digest(UPGRADE, evolve(pace, budget=4), devices)


@pytest.mark.parametrize(
    ("aim", "pace", "is_fine"),
    [
        (UPGRADE, Pace(), True),
        (Aim("upgrade"), Pace(), False),
        (Aim("start", 26), Pace(), False),
        (Aim("update_agent"), Pace(), True),
        (Aim("update_agent", 26, "PROD"), Pace(), False),
        (UPGRADE, Pace(waves=[0]), False),
        (UPGRADE, Pace(waves=["0%"]), False),
        (UPGRADE, Pace(time_zone="Europe/Berlin"), True),
        (UPGRADE, Pace(time_zone="Europe/Nowhere"), False),
        (UPGRADE, Pace(time_zone="../../etc/passwd"), False),
    ],
)
def test_what_cannot_be_done_is_refused(aim: Aim, pace: Pace, is_fine: bool) -> None:
    if is_fine:
        rules.check(aim, pace)
    else:
        with pytest.raises(InvalidArgumentError):
            rules.check(aim, pace)


@pytest.mark.parametrize(
    ("window", "zone", "moment", "is_open"),
    [
        (Window("12:00", "13:00"), "UTC", "2026-11-30T12:00:00+00:00", True),
        (Window("12:00", "13:00"), "UTC", "2026-11-30T13:00:00+00:00", False),
        (Window("13:00", "14:00"), "Europe/Berlin", "2026-11-30T12:30:00+00:00", True),
        (Window("14:00", "15:00"), "Europe/Berlin", "2026-07-30T12:30:00+00:00", True),
        (Window("22:00", "04:00", ["mon"]), "UTC", "2026-11-30T23:00:00+00:00", True),
        (Window("22:00", "04:00", ["mon"]), "UTC", "2026-12-01T03:59:00+00:00", True),
        (Window("22:00", "04:00", ["mon"]), "UTC", "2026-12-01T04:00:00+00:00", False),
        (Window("22:00", "04:00", ["mon"]), "UTC", "2026-11-30T03:00:00+00:00", False),
        (Window("22:00", "04:00", ["tue"]), "UTC", "2026-11-30T23:00:00+00:00", False),
        (Window("00:00", "00:00", ["sun"]), "UTC", "2026-11-29T12:00:00+00:00", True),
        (Window("00:00", "00:00", ["sun"]), "UTC", "2026-11-30T00:00:00+00:00", False),
    ],
)
def test_turns_are_given_within_windows(window: Window, zone: str, moment: str, is_open: bool) -> None:
    pace = Pace(windows=[window], time_zone=zone)

    assert rules.is_open(pace, datetime.fromisoformat(moment)) == is_open
    assert rules.is_open(Pace(time_zone=zone), datetime.fromisoformat(moment))


@pytest.mark.parametrize(
    ("changes", "tallies", "act"),
    [
        ({}, [WaveTally(1, waiting=2), WaveTally(2, waiting=5)], Act.ORDER),
        ({}, [WaveTally(1, ordered=2), WaveTally(2, waiting=5)], Act.HOLD),
        ({}, [WaveTally(1, done=2), WaveTally(2, waiting=5)], Act.END_WAVE),
        ({"wave_ended_at": NOW}, [WaveTally(1, done=2), WaveTally(2, waiting=5)], Act.NEXT_WAVE),
        ({"wave_ended_at": NOW, "pace": Pace(soak_s=60)}, [WaveTally(1, done=2), WaveTally(2, waiting=5)], Act.HOLD),
        ({}, [WaveTally(1, failed=1), WaveTally(2, waiting=5)], Act.STOP),
        ({}, [WaveTally(1, failed=1, forgiven=1), WaveTally(2, waiting=5)], Act.END_WAVE),
        ({"pace": Pace(budget=1)}, [WaveTally(1, failed=1), WaveTally(2, waiting=5)], Act.END_WAVE),
        ({"pace": Pace(budget="50%")}, [WaveTally(1, failed=2), WaveTally(2, waiting=2)], Act.END_WAVE),
        ({"pace": Pace(budget="50%", budget_of="wave")}, [WaveTally(1, failed=2), WaveTally(2, waiting=2)], Act.STOP),
        ({"pace": Pace(at_once=2)}, [WaveTally(1, waiting=5, ordered=2)], Act.HOLD),
        ({}, [WaveTally(1, away=2), WaveTally(2, waiting=5)], Act.HOLD),  # nobody has tried it yet
        ({}, [WaveTally(1, away=2, done=1), WaveTally(2, waiting=5)], Act.END_WAVE),
        ({"wave": 2}, [WaveTally(1, waiting=1, done=1), WaveTally(2, ordered=5)], Act.ORDER),  # it came after all
        ({"wave": 2}, [WaveTally(1, away=1, done=1), WaveTally(2, done=5)], Act.HOLD),
        ({"wave": 2}, [WaveTally(1, done=2), WaveTally(2, done=4, skipped=1)], Act.END),
        ({}, [WaveTally(1, skipped=2), WaveTally(2, waiting=4)], Act.END_WAVE),
        ({"state": "paused"}, [WaveTally(1, waiting=2)], Act.HOLD),
        ({"state": "stopped"}, [WaveTally(1, failed=2)], Act.HOLD),
        ({"state": "aborting"}, [WaveTally(1, done=1, skipped=3)], Act.ORDER),
        ({"state": "aborting"}, [WaveTally(1, rolled_back=1, skipped=3)], Act.END),
    ],
)
def test_what_is_next(changes: dict[str, Any], tallies: list[WaveTally], act: Act) -> None:
    assert rules.next_act(rollout(**changes), tallies, NOW) is act


def test_outside_of_its_windows_a_rollout_holds() -> None:
    night = rollout(pace=Pace(windows=[Window("22:00", "04:00")]))

    assert rules.next_act(night, [WaveTally(1, waiting=2)], NOW) is Act.HOLD
    assert rules.next_act(night, [WaveTally(1, waiting=2)], NOW + timedelta(hours=11)) is Act.ORDER
    soaked = evolve(night, wave_ended_at=NOW)
    assert rules.next_act(soaked, [WaveTally(1, done=2), WaveTally(2, waiting=1)], NOW) is Act.HOLD


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "done"),
        ({"told_revision": 3}, None),
        ({"present": OLD}, None),
        ({"state": "STARTING"}, None),
        ({"state": "FAILED"}, None),  # it had failed before
        ({"state": "FAILED", "state_since": NOW}, "failed"),
        ({"refusal": "no space"}, "failed"),
        ({"release": OTHER}, "skipped"),
        ({"target": "UNINSTALLED"}, "skipped"),
        ({"target": "PRESENT", "state": "PRESENT"}, "done"),
        ({"target": "REMOVED", "state": "REMOVED", "present": None}, "done"),
    ],
)
def test_what_became_of_an_upgrade(changes: dict[str, Any], state: str | None) -> None:
    found = rules.verdict(rollout(), turn(), app(**changes), NOW)

    assert (None if found is None else found.state) == state


def test_a_turn_ends_when_its_time_is_over_or_the_app_is_gone() -> None:
    late = NOW + timedelta(seconds=Pace().timeout_s)
    under_way = app(present=OLD)

    assert rules.verdict(rollout(), turn(), under_way, late - timedelta(seconds=1)) is None
    found = rules.verdict(rollout(), turn(), under_way, late)
    assert found is not None
    assert found.state == "failed"
    assert rules.verdict(rollout(), turn(), app(), late) == rules.Verdict("done", None)
    assert rules.verdict(rollout(), turn(), None, NOW) == rules.Verdict("skipped", rules.OVERTAKEN)
    agents = rollout(aim=Aim("update_agent"))
    assert rules.verdict(agents, turn(wish_revision=None), None, NOW) is None
    assert rules.verdict(agents, turn(wish_revision=None), None, late) is not None


def test_who_had_succeeded_can_fail_still() -> None:
    done = turn(state="done", ended_at=NOW)

    assert rules.verdict(rollout(), done, app(state="FAILED", state_since=NOW - timedelta(seconds=1)), NOW) is None
    found = rules.verdict(rollout(), done, app(state="FAILED", state_since=NOW), NOW)
    assert found == rules.Verdict("failed", rules.FAILED_LATER)
    assert rules.verdict(rollout(), done, app(state="FAILED", state_since=NOW, release=OTHER), NOW) is None


@pytest.mark.parametrize("action", ["start", "stop"])
def test_starting_and_stopping_succeed_when_the_device_says_so(action: Any) -> None:
    aim = Aim(action, 26, "PROD")
    target: Any = "RUNNING" if action == "start" else "PRESENT"
    wished = rules.wanted(aim, app(target="PRESENT" if action == "start" else "RUNNING", release=OLD, present=OLD))

    assert (wished.target, wished.release) == (target, OLD)
    found = rules.verdict(rollout(aim=aim), turn(), evolve(wished, state=target), NOW)
    assert found == rules.Verdict("done", None)


@given(
    st.sampled_from([OLD, NEW, OTHER, None]),
    st.sampled_from(["PRESENT", "RUNNING", "REMOVED"]),
    st.sampled_from([UPGRADE, Aim("start", 26, "PROD"), Aim("stop", 26, "PROD")]),
)
def test_putting_back_undoes_a_turn(release: AppRelease | None, target: Any, aim: Aim) -> None:
    was = app(release=release, present=release, target=target)
    after = rules.wanted(aim, was)
    back = rules.put_back(aim, rules.before_of(was), after)

    assert not rules.is_overtaken(aim, after)
    assert not rules.is_to_stay(aim, rules.before_of(was), after)
    assert back.target == was.target
    assert back.release == was.release or was.release is None


@pytest.mark.parametrize(
    ("aim", "meanwhile"),
    [
        (Aim("start", 26, "PROD"), {"release": NEW}), (Aim("stop", 26, "PROD"), {"release": NEW}),
        (UPGRADE, {"target": "PRESENT"}), (UPGRADE, {"release": OTHER}), (UPGRADE, {"target": "UNINSTALLED"}),
        (Aim("start", 26, "PROD"), {"target": "PRESENT"}),
    ],
)  # fmt: skip
def test_what_somebody_else_wanted_meanwhile_stays(aim: Aim, meanwhile: dict[str, Any]) -> None:
    was = app(release=OLD, present=OLD, target="PRESENT" if aim.action == "start" else "RUNNING")
    after = evolve(rules.wanted(aim, was), **meanwhile)

    assert rules.is_to_stay(aim, rules.before_of(was), after)


def test_only_what_the_turn_changed_is_put_back() -> None:
    other = app(release=OTHER, present=OTHER, target="RUNNING")

    back = rules.put_back(Aim("start", 26, "PROD"), Before("PRESENT", OLD), other)
    assert (back.target, back.release) == ("PRESENT", OTHER)
    back = rules.put_back(UPGRADE, Before("PRESENT", OLD), other)
    assert (back.target, back.release) == ("RUNNING", OLD)


def test_what_an_install_put_there_goes_again_where_nobody_wants_it_otherwise() -> None:
    aim, placed = Aim("install", 26, "PROD", NEW), app(release=NEW, present=None, target="PRESENT")

    assert not rules.is_to_stay(aim, Before(), placed)
    assert rules.is_to_stay(aim, Before(), evolve(placed, target="RUNNING"))


def test_what_is_to_go_was_not_there() -> None:
    assert rules.before_of(None) == rules.before_of(app(target="UNINSTALLED")) == Before()


class Driven(RuleBasedStateMachine):
    """A rollout whose devices come, go, succeed and fail as they like: it never goes on beyond what its rules say."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = Pace(waves=[2, "40%"], budget=2, at_once=4)
        devices = [candidate(key) for key in range(1, 13)]
        planned, sizes = rules.planned(UPGRADE, self.pace, devices)
        self.states = {each.device_key: "waiting" for each in planned}
        self.waves = {each.device_key: each.wave or 0 for each in planned}
        self.forgiven: set[int] = set()
        self.away: set[int] = set()
        self.orders: dict[int, int] = dict.fromkeys(self.states, 0)
        self.rollout = rollout(pace=self.pace, waves=len(sizes))

    def tallies(self) -> list[WaveTally]:
        found = []
        for wave in range(1, self.rollout.waves + 1):
            keys = [key for key, of in self.waves.items() if of == wave]
            counts = {state: sum(self.states[key] == state for key in keys) for state in ("ordered", "done", "failed")}
            waiting = [key for key in keys if self.states[key] == "waiting"]
            away = len(self.away.intersection(waiting))
            forgiven = len(self.forgiven.intersection(keys))
            found.append(WaveTally(wave, len(waiting) - away, away, **counts, forgiven=forgiven))
        return found

    @rule()
    def step(self) -> None:
        act = rules.next_act(self.rollout, self.tallies(), NOW)
        match act:
            case Act.ORDER:
                due = [
                    key for key, state in self.states.items()
                    if state == "waiting" and key not in self.away and self.waves[key] <= self.rollout.wave
                ]  # fmt: skip
                self.states[due[0]] = "ordered"
                self.orders[due[0]] += 1
            case Act.END_WAVE:
                self.rollout = evolve(self.rollout, wave_ended_at=NOW)
            case Act.NEXT_WAVE:
                self.rollout = evolve(self.rollout, wave=self.rollout.wave + 1, wave_ended_at=None)
            case Act.STOP:
                self.rollout = evolve(self.rollout, state="stopped")
            case Act.END:
                self.rollout = evolve(self.rollout, state="done")
            case _:
                pass

    @rule(key=st.integers(1, 12), has_failed=st.booleans())
    def ends(self, key: int, has_failed: bool) -> None:
        if self.states[key] == "ordered":
            self.states[key] = "failed" if has_failed else "done"

    @rule(key=st.integers(1, 12))
    def comes_or_goes(self, key: int) -> None:
        self.away ^= {key}

    @precondition(lambda self: self.rollout.state == "stopped")
    @rule()
    def resume(self) -> None:
        self.forgiven |= {key for key, state in self.states.items() if state == "failed"}
        self.rollout = evolve(self.rollout, state="running")

    @invariant()
    def nobody_is_told_twice_or_too_early(self) -> None:
        assert all(number <= 1 for number in self.orders.values())
        assert all(self.waves[key] <= self.rollout.wave for key, number in self.orders.items() if number)
        assert sum(state == "ordered" for state in self.states.values()) <= self.pace.at_once

    @invariant()
    def it_ends_when_everybody_had_a_turn(self) -> None:
        if self.rollout.state == "done":
            assert set(self.states.values()) <= {"done", "failed"}


TestDriven = Driven.TestCase


def test_who_rolls_power_out_needs_develop_too() -> None:
    assert rules.flags("upgrade", needs_develop=False) == ["INSTALL"]
    assert rules.flags("install", needs_develop=True) == ["INSTALL", "DEVELOP"]
    assert rules.flags("start", needs_develop=True) == ["OPERATE"]


def test_nothing_is_built() -> None:
    assert rules.action_of("upgrade") == "upgrade"
    with pytest.raises(NotSupportedError, match="devices build nothing"):
        rules.action_of("build")
    with pytest.raises(NotSupportedError, match="devices build nothing"):
        rules.action_of("publish")
