"""Wishes and agents' words in any order: what goes out never hurts an agent, and the end is what was wanted."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.simulator.answers import AnswerError
from deploy.flockctl.simulator.apps import ABSENT, CANCELLING, STATES, Wish, sequence, wish_of
from services.devices.records.apps import (
    AppContents,
    AppCredential,
    AppOnDevice,
    AppRelease,
    AppState,
    Install,
    SaidOfApp,
    SetEnvironment,
    Target,
    Variable,
)
from services.devices.records.devices import Device, FlockSettings
from services.devices.rules import apps as rules
from shared.errors import ConflictError, InvalidArgumentError
from shared.releases import NOTHING, Contents, PortRule, VariableTemplate

NONE = AppContents(NOTHING, NOTHING)
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
    state_since=None, release=RELEASES[0], present=None, previous=None, wanted_before=(),
    requestor_account_key=5, app_cred_epoch=1, environment=None, ports=None,
    reported_ports=[], revision=1, told_revision=0, is_offered=False, refusal=None,
)  # fmt: skip


def said(state: AppState, release_key: int = 0, status: Any = "") -> SaidOfApp:
    return SaidOfApp(state, release_key, status)


WORDS = st.sampled_from(sorted(STATES - {"INHERIT", "UPDATING"}))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("aim"), st.sampled_from(TARGETS)),
        st.tuples(st.just("upgrade"), st.sampled_from(RELEASES)),
        st.tuples(st.sampled_from(["roll_back", "cancel", "tell", "tell", "begin", "hear", "hear"]), st.none()),
    ),
    max_size=30,
)


@define
class Late:
    """The platform and an agent whose words come late: what it has, what it is at, what it said and was not heard."""

    app: AppOnDevice = FRESH
    is_due: bool = True
    cancels: bool = False
    state: str = "UNINSTALLED"
    has: int | None = None
    doing: list[tuple[str, int | None, SaidOfApp]] = field(factory=list)
    words: list[SaidOfApp] = field(factory=list)

    def wish(self, what: str, how: Any) -> None:
        """Somebody wishes something."""
        self.app = evolve(wished(self.app, what, how), revision=self.app.revision + 1)
        self.is_due, self.cancels = True, self.cancels or what == "cancel"

    def tell(self) -> None:
        """The agent is told of the wish as it stands; it is at it, and says what it does."""
        if not self.is_due:
            return
        wish = wish_of(rules.wish(self.app, DEVICE, {}, NONE, cancels=self.cancels))
        is_deaf = rules.is_deaf(self.app) and not self.cancels
        self.app = evolve(self.app, told_revision=self.app.revision)
        self.is_due, self.cancels = is_deaf, False
        if self.doing and (wish.cancels or self.state != "UPDATING") and wish.target in CANCELLING:
            self.doing.clear()
        if self.doing and self.state == "UPDATING":
            return  # nothing else counts amid an update
        self.finish()
        self.begin(wish)

    def begin(self, wish: Wish) -> None:
        """Be at what is wished."""
        fetched = wish.new_release_key or None
        for each in sequence(self.state, wish):
            has = {"UPDATING": self.has, "DOWNLOADING": None}.get(each.state, fetched)
            if each.state in ABSENT or each.state == "DELETING":
                has = None
            elif each.update_status == "canceled" or (not wish.request_update and self.has is not None):
                has = self.has
            said = SaidOfApp(each.state, each.release_key, each.update_status)  # type: ignore[arg-type]
            self.doing.append((each.state, has, said))

    def step(self) -> None:
        """The agent does one thing."""
        if self.doing:
            self.state, self.has, said = self.doing.pop(0)
            self.words.append(said)

    def finish(self) -> None:
        """It does all that it is at."""
        while self.doing:
            self.step()

    def hear(self) -> None:
        """The oldest word comes."""
        if not self.words:
            return
        word, before = self.words.pop(0), self.app
        self.app = rules.told(before, word)
        if rules.is_to_be_told_again(before, self.app, word):
            self.app = evolve(self.app, revision=self.app.revision + 1)
            self.is_due = True

    def settle(self) -> int:
        """Until nobody has anything to say; how many times it was told."""
        for count in range(20):
            self.finish()
            while self.words:
                self.hear()
            if not self.is_due:
                return count
            self.tell()
        raise AssertionError("it is told for ever")


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
def test_however_late_an_agent_s_words_come_the_newest_wish_is_reached(steps: list[tuple[str, Any]]) -> None:
    late = Late()
    for what, how in steps:
        if what in ("tell", "hear", "begin"):
            {"tell": late.tell, "hear": late.hear, "begin": late.step}[what]()
        else:
            late.wish(what, how)
        assert wish_of(rules.listed(late.app, DEVICE, {}, NONE)).app_key == 26

    wanted = late.app.target, late.app.release
    late.settle()

    assert (late.app.target, late.app.release) == wanted  # no word eats a wish
    assert late.state == late.app.state == late.app.target
    assert rules.is_gone(late.app) == (late.app.target == "UNINSTALLED")
    assert not rules.is_updating(late.app)
    if late.app.target in ("PRESENT", "RUNNING"):
        assert late.app.present == late.app.release is not None
        assert late.has == late.app.release.release_key


@given(st.lists(st.tuples(WORDS, st.sampled_from([0, 50, 51, 999]), st.sampled_from(["", "canceled"]))))
def test_no_word_changes_what_is_wanted(words: list[tuple[Any, int, Any]]) -> None:
    app = rules.upgraded(FRESH, RELEASES[1])
    for word in words:
        app = rules.told(app, said(*word))
        assert (app.target, app.release) == ("PRESENT", RELEASES[1])
        assert wish_of(rules.wish(app, DEVICE, {}, NONE, cancels=False)).app_key == 26


def test_given_an_update_that_ended_after_it_was_rolled_back_then_it_is_told_again() -> None:
    before = rules.rolled_back(rules.upgraded(evolve(FRESH, present=RELEASES[0]), RELEASES[1]))
    late = said("PRESENT", 51, "pending_remote_confirmation")

    after = rules.told(before, late)

    assert (after.present, after.release) == (RELEASES[1], RELEASES[0])
    assert rules.is_to_be_told_again(before, after, late)


def test_given_a_newer_wish_when_a_cancelling_ends_then_the_newer_one_stands_and_is_told() -> None:
    updating = rules.told(rules.upgraded(evolve(FRESH, present=RELEASES[0]), RELEASES[1]), said("UPDATING", 50))
    before = rules.upgraded(rules.cancelled(updating), RELEASES[2])
    late = said("PRESENT", 50, "canceled")

    after = rules.told(before, late)

    assert after.release == RELEASES[2]
    assert rules.is_to_be_told_again(before, after, late)


INSTALLS = st.sets(st.builds(Install, st.integers(1, 3), st.integers(1, 4), st.just("PROD")), min_size=1)


@given(INSTALLS, st.data())
def test_many_ends_at_once_are_not_believed(every: set[Install], data: st.DataObject) -> None:
    missing = data.draw(st.lists(st.sampled_from(sorted(every, key=repr)), unique=True))

    held = rules.held_back(every, missing)

    assert held <= {*missing}
    if len(missing) > 3:
        assert held == {*missing}
    if len(missing) == 1:
        assert not held
    for project_key in (1, 2, 3):
        had = [each for each in every if each.project_key == project_key]
        if len(had) > 1 and {*had} <= {*missing}:
            assert {*had} <= held


def test_a_fresh_app_has_what_was_wanted_when_it_was_fetched() -> None:
    app = rules.upgraded(FRESH, RELEASES[1])  # while the agent fetches the first one

    app = rules.told(app, said("PRESENT", 50))

    assert (app.present, app.release) == (RELEASES[0], RELEASES[1])
    assert rules.is_updating(app)


def test_an_update_that_was_cancelled_is_wanted_no_more() -> None:
    app = rules.told(rules.upgraded(evolve(FRESH, present=RELEASES[0]), RELEASES[1]), said("UPDATING", 50))

    app = rules.told(rules.cancelled(app), said("PRESENT", 50, "canceled"))

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


def test_amid_an_update_an_agent_takes_no_start() -> None:
    assert rules.is_deaf(evolve(FRESH, state="UPDATING", target="RUNNING"))
    assert not rules.is_deaf(evolve(FRESH, state="UPDATING", target="PRESENT"))
    assert not rules.is_deaf(evolve(FRESH, state="STARTING", target="RUNNING"))


SETTINGS = FlockSettings("wss://x/ws-re-dev", "registry.test/", "apps/", "https://x", None)


@pytest.mark.parametrize("architecture", [None, "", "amd64/../../x", "amd 64", "AMD64", "a" * 21, "amd64\n"])
def test_what_a_device_calls_itself_names_no_repository_of_others(architecture: str | None) -> None:
    assert rules.repositories([FRESH], evolve(DEVICE, architecture=architecture), SETTINGS) == []


def test_repositories_are_named_as_registries_take_them() -> None:
    device = evolve(DEVICE, architecture="amd64")

    assert rules.repositories([FRESH, evolve(FRESH, app_name="a/b c")], device, SETTINGS) == [
        "apps/prod_amd64_26_press"
    ]


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
    wish = rules.wish(evolve(FRESH, release=None, stage="DEV"), DEVICE, {}, NONE, cancels=True)

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


TEMPLATE = {
    "MODE": VariableTemplate(default="fast", choices=["fast", "slow"]),
    "TOKEN": VariableTemplate(is_secret=True, is_required=True),
}
ASKING = Contents(TEMPLATE, [PortRule(80, "web")], {"services": {"web": {"image": "a"}}})


def set_to(values: dict[str, str | None]) -> dict[str, Variable]:
    return rules.changed_variables({}, SetEnvironment(7, 26, "PROD", values), TEMPLATE)


def test_values_are_of_the_choices_and_what_the_release_says_is_secret_stays_so() -> None:
    assert set_to({"MODE": "slow", "TOKEN": "t", "OTHER": "o"}) == {
        "MODE": Variable("slow", is_secret=False),
        "OTHER": Variable("o", is_secret=False),
        "TOKEN": Variable("t", is_secret=True),
    }
    with pytest.raises(InvalidArgumentError, match="fast, slow"):
        set_to({"MODE": "other"})
    shown = {each.name: each for each in rules.masked(set_to({"TOKEN": "t"}), TEMPLATE).variables}
    assert (shown["TOKEN"].value, shown["TOKEN"].is_set, shown["TOKEN"].is_required) == (None, True, True)
    assert (shown["MODE"].value, shown["MODE"].is_set, shown["MODE"].choices) == ("fast", False, ["fast", "slow"])


def test_an_app_runs_only_with_the_variables_that_its_release_needs() -> None:
    running = evolve(FRESH, target="RUNNING")
    contents = AppContents(ASKING, ASKING)

    without = rules.wish(running, DEVICE, {}, contents, cancels=False)
    with_it = rules.wish(running, DEVICE, set_to({"TOKEN": "t"}), contents, cancels=False)

    assert rules.missing_variables({}, TEMPLATE) == ["TOKEN"]
    assert (
        wish_of(without).target == rules.listed(running, DEVICE, {}, contents)["manually_requested_state"] == "PRESENT"
    )
    assert wish_of(with_it).target == "RUNNING"
    assert with_it["environment"] == {"MODE": {"value": "fast"}, "TOKEN": {"value": "t"}}
    assert with_it["environment_template"] == {"MODE": {"defaultValue": "fast"}, "TOKEN": {}}


def test_an_update_has_both_compose_documents_and_ports_of_people_win() -> None:
    app = rules.upgraded(evolve(FRESH, present=RELEASES[0], state="PRESENT"), RELEASES[1])
    wish = rules.wish(app, DEVICE, {}, AppContents(ASKING, NOTHING), cancels=False)

    assert (wish["docker_compose"], wish["new_docker_compose"]) == (None, ASKING.compose)
    assert [(each["port"], each["public"]) for each in wish["ports"]] == [(80, False)]
    assert wish_of(wish).request_update
    mine = evolve(app, ports=[])
    assert rules.wish(mine, DEVICE, {}, AppContents(ASKING, NOTHING), cancels=False)["ports"] == []


def test_going_back_is_to_the_release_that_was_looked_at() -> None:
    app = evolve(FRESH, release=RELEASES[1], present=RELEASES[1], previous=RELEASES[0])
    assert rules.rolled_back_to(app, RELEASES[0]).release == RELEASES[0]
    with pytest.raises(ConflictError):
        rules.rolled_back_to(app, RELEASES[2])
