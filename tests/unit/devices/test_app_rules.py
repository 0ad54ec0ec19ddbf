"""Wishes and agents' words in any order: what goes out never hurts an agent, and the end is what was wanted."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.simulator.answers import AnswerError
from deploy.flockctl.simulator.apps import STATES, sequence, wish_of
from services.devices import app_rules as rules
from services.devices.app_records import AppCredential, AppOnDevice, AppRelease, AppState, SaidOfApp, Target
from services.devices.records import Device
from shared.errors import ConflictError, InvalidArgumentError

NOW = datetime(2026, 11, 30, tzinfo=UTC)
RELEASES = [AppRelease(50 + n, f"1.{n}.0") for n in range(3)]
TARGETS: list[Target] = ["PRESENT", "RUNNING", "REMOVED", "UNINSTALLED"]
DEVICE = Device(
    device_key=7, project_key=3, project_name="plant", owner_account_key=5, owner_name="anna", name="press-1",
    description="", serial_number=UUID(int=1), state="flashed", flash_id=None, status="CONNECTED", status_since=NOW,
    session=1, created_at=NOW, flashed_at=NOW, architecture=None, os=None, agent_version=None, moved_from=None,
    is_claimable=False, groups=(),
)  # fmt: skip
FRESH = AppOnDevice(
    device_key=7, app_key=26, stage="PROD", created_at=NOW, app_name="Press", target="PRESENT", state="UNINSTALLED",
    state_since=None, release=RELEASES[0], present=None, previous=None, requestor_account_key=5, app_cred_epoch=1,
    environment=None, ports=None, reported_ports=[], revision=1, told_revision=0, is_offered=False, refusal=None,
)  # fmt: skip


def said(state: AppState, release_key: int = 0, status: Any = "") -> SaidOfApp:
    return SaidOfApp(state, release_key, status)


WORDS = st.sampled_from(sorted(STATES - {"INHERIT", "UPDATING"}))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("aim"), st.sampled_from(TARGETS)),
        st.tuples(st.just("upgrade"), st.sampled_from(RELEASES)),
        st.tuples(st.sampled_from(["roll_back", "cancel", "agent", "fails", "nonsense"]), WORDS),
    ),
    max_size=20,
)


def tell(app: AppOnDevice, state: str, *, cancels: bool = False) -> tuple[AppOnDevice, str]:
    """The agent is told of the wish, and says what it does."""
    wish = wish_of(rules.wish(app, DEVICE, {}, cancels=cancels))
    app = evolve(app, told_revision=app.revision)
    for each in sequence(state, wish):
        state = each.state
        app = rules.told(app, said(each.state, each.release_key, each.update_status))  # type: ignore[arg-type]
    return app, state


def step(app: AppOnDevice, state: str, what: str, how: Any) -> tuple[AppOnDevice, str]:
    """Somebody wishes something, or the agent says something."""
    if what == "agent":
        return tell(app, state)
    if what == "fails":
        return rules.told(app, said("FAILED")), "FAILED"
    if what == "nonsense":
        return rules.told(app, said(how, 999)), how
    return evolve(wished(app, what, how), revision=app.revision + 1), state


def wished(app: AppOnDevice, what: str, how: Any) -> AppOnDevice:
    """The app as somebody wants it."""
    if what == "aim":
        return rules.aimed(app, how)
    if what == "upgrade":
        return rules.upgraded(app, how)
    try:
        return rules.rolled_back(app) if what == "roll_back" else rules.cancelled(app)
    except ConflictError:
        return app


@given(STEPS)
def test_whatever_happens_the_newest_wish_is_reached(steps: list[tuple[str, Any]]) -> None:
    app, state = FRESH, "UNINSTALLED"
    for what, how in steps:
        app, state = step(app, state, what, how)
        assert wish_of(rules.listed(app, DEVICE, {})).app_key == 26

    for _ in range(2):  # an update ends before the app starts
        app, state = tell(app, state)

    assert state == app.target
    assert app.state == app.target
    assert rules.is_gone(app) == (app.target == "UNINSTALLED")
    assert not rules.is_updating(app)
    if app.target in ("PRESENT", "RUNNING"):
        assert app.present == app.release


def test_a_fresh_app_has_what_was_wanted_when_it_was_fetched() -> None:
    app = rules.upgraded(FRESH, RELEASES[1])  # while the agent fetches the first one

    app = rules.told(app, said("PRESENT", 50))

    assert (app.present, app.release) == (RELEASES[0], RELEASES[1])
    assert rules.is_updating(app)


def test_an_update_that_was_cancelled_is_wanted_no_more() -> None:
    app = rules.told(rules.upgraded(evolve(FRESH, present=RELEASES[0]), RELEASES[1]), said("UPDATING", 50))

    app = rules.told(app, said("PRESENT", 50, "canceled"))

    assert (app.state, app.release, app.present) == ("PRESENT", RELEASES[0], RELEASES[0])


def test_the_release_before_is_the_one_to_go_back_to() -> None:
    app = evolve(FRESH, present=RELEASES[0], state="RUNNING")
    with pytest.raises(ConflictError):
        rules.rolled_back(app)
    app = rules.upgraded(app, RELEASES[1])
    assert rules.rolled_back(app).release == RELEASES[0]
    app = rules.told(app, said("PRESENT", 51, "pending_remote_confirmation"))
    assert (app.present, app.previous) == (RELEASES[1], RELEASES[0])
    back = rules.told(rules.rolled_back(app), said("PRESENT", 50, "pending_remote_confirmation"))
    assert (back.present, back.previous) == (RELEASES[0], RELEASES[1])


def test_stopped_is_no_state_that_an_agent_takes_back() -> None:
    assert rules.told(FRESH, said("STOPPED")).state == "PRESENT"


@pytest.mark.parametrize("state", ["DOWNLOADING", "UPDATING", "STARTING", "DELETING"])
def test_what_is_under_way_is_cancelled_and_nothing_else_is(state: AppState) -> None:
    quiet = evolve(FRESH, told_revision=1)
    assert rules.cancelled(evolve(quiet, state=state)).target == "REMOVED"
    assert rules.cancelled(evolve(quiet, state=state, present=RELEASES[0], release=RELEASES[0])).target == "PRESENT"
    with pytest.raises(ConflictError):
        rules.cancelled(evolve(quiet, state="FAILED"))


def test_a_wish_has_the_types_that_agents_need() -> None:
    wish = rules.wish(evolve(FRESH, release=None, stage="DEV"), DEVICE, {}, cancels=True)

    assert {
        name: type(wish[name]) for name in ("app_key", "release_key", "new_release_key", "app_cred_epoch")
    } == dict.fromkeys(("app_key", "release_key", "new_release_key", "app_cred_epoch"), int)
    assert wish["cancel_transition"] is True
    for name, wrong in (("app_key", "26"), ("new_release_key", "5"), ("ports", [{"port": "80"}]), ("stage", "prod"),
                        ("environment", {"A": "b"}), ("target_state", "STOPPED"), ("current_state", "")):  # fmt: skip
        with pytest.raises(AnswerError):
            wish_of({**wish, name: wrong})


def test_what_is_not_known_is_not_told() -> None:
    assert rules.is_complete(FRESH)
    assert not rules.is_complete(evolve(FRESH, app_name=None))
    assert not rules.is_complete(evolve(FRESH, release=None))
    assert rules.is_complete(evolve(FRESH, release=None, stage="DEV"))


@given(
    st.floats() | st.integers() | st.text(max_size=5) | st.none() | st.booleans() | st.lists(st.integers(), max_size=1)
)
def test_ports_have_whole_numbers_or_are_refused(value: Any) -> None:
    try:
        kept = rules.ports_of([{"port": value}])[0]["port"]
    except InvalidArgumentError:
        assert not isinstance(value, int | None)
        return
    assert not isinstance(kept, float)
    assert kept == value


def test_the_epoch_is_in_the_name() -> None:
    assert rules.epoch_of(AppCredential("app-26-prod-e12@serial-e9", "x")) == 12
