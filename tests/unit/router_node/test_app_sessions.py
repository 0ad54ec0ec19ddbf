"""Which sessions of apps end, and that no join slips past it."""

from typing import Any

import pytest
from attrs import evolve
from autobahn.wamp.exception import ApplicationError
from hypothesis import given
from hypothesis import strategies as st

from ironflock_router.app_sessions import AppSessions, Ending
from ironflock_router.realm_names import AppAuthid
from ironflock_router.records import Identity


def identity(realm: str = "realm-2-26-dev", authid: str = "app-26-dev-e3@S", device_key: int = 42) -> Identity:
    app = AppAuthid.parse(authid)
    serial = app.serial_number
    return Identity(realm, serial, "app", "wampcra", serial=serial, device_key=device_key, app=app)


class Session:
    """A joined session."""

    def __init__(self, known_as: Identity) -> None:
        """Of somebody."""
        self.identity: Identity | None = known_as
        self.left: list[str | None] = []

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """Note that it was told to go."""
        assert message
        self.left.append(reason)


HOLDING: list[dict[str, Any]] = [
    {"realm": "realm-2-26-dev"},
    {"project_key": 2},
    {"device_key": 42},
    {"serial": "S"},
    {"project_key": 2, "role": "app"},
    {"device_key": 42, "app_key": 26},
    {"device_key": 42, "app_key": 26, "stage": "DEV"},
    {"device_key": 42, "epoch_below": 4},
    {"device_key": 42, "realm": None, "stage": None},
    {"project_key": 2, "is_legacy": False},
]
OTHERS: list[dict[str, Any]] = [
    {"realm": "realm-2-26-prod"},
    {"project_key": 3},
    {"device_key": 43},
    {"serial": "T"},
    {"project_key": 2, "role": "app_reader"},
    {"device_key": 42, "app_key": 27},
    {"device_key": 42, "stage": "PROD"},
    {"device_key": 42, "epoch_below": 3},
    {"project_key": 2, "device_key": 43},
    {"project_key": 2, "is_legacy": True},
]


@pytest.mark.parametrize("conditions", HOLDING, ids=str)
def test_all_that_is_said_must_hold(conditions: dict[str, Any]) -> None:
    assert Ending.parse(conditions).concerns(identity())


@pytest.mark.parametrize("conditions", OTHERS, ids=str)
def test_what_does_not_hold_spares_it(conditions: dict[str, Any]) -> None:
    assert not Ending.parse(conditions).concerns(identity())


def test_the_app_is_that_of_the_credential_and_not_of_the_realm() -> None:
    reader = identity(realm="realm-2-77-dev")
    assert Ending(project_key=2, app_key=26).concerns(reader)
    assert not Ending(project_key=2, app_key=77).concerns(reader)


def test_a_legacy_credential_stands_for_every_app_of_its_device() -> None:
    legacy = identity(authid="S")
    assert Ending(device_key=42, app_key=99, stage="prod", epoch_below=1).concerns(legacy)
    assert not Ending(device_key=43).concerns(legacy)


def test_who_is_no_app_is_never_concerned() -> None:
    device = Identity("realm1", "2-42", "device", "wampcra", serial="S", device_key=42)
    assert not Ending(device_key=42).concerns(device)
    assert not Ending(project_key=2).concerns(evolve(device, app=AppAuthid("S")))


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"app_key": 26},
        {"stage": "DEV"},
        {"realm": None},
        {"device_key": "42"},
        {"device_key": True},
        {"device_key": 42.0},
        {"realm": 5},
        {"device_key": 42, "stage": "test"},
        {"device_key": 42, "unknown": 1},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(conditions: dict[str, Any]) -> None:
    with pytest.raises(ApplicationError, match="invalid_argument"):
        Ending.parse(conditions)


def test_every_session_that_is_concerned_ends_and_no_other() -> None:
    apps = AppSessions(10)
    own, other = Session(identity()), Session(identity(authid="app-26-dev-e3@T", device_key=43))
    apps.joined("S", own)
    apps.joined("T", other)
    for ending in (Ending(serial="T"), Ending(serial="U"), Ending(device_key=41)):
        assert apps.end(ending) == (ending.serial == "T")
        apps.joined("T", other)
    assert apps.end(Ending(device_key=42)) == 1
    assert own.left == ["ironflock.close.credential_ended"]
    assert len(other.left) == 1


def test_a_join_that_is_under_way_hears_of_what_ends_meanwhile_and_of_nothing_else() -> None:
    apps = AppSessions(10)
    apps.end(Ending(device_key=42))
    with apps.join() as first:
        apps.end(Ending(device_key=43))
        assert not first.is_over(identity())
        with apps.join() as second:
            apps.outdate(Ending(realm="realm-2-26-dev"))
        assert first.is_over(identity())
        assert second.is_over(identity())
        assert not first.is_over(identity(realm="realm-2-77-dev"))
    apps.end(Ending(project_key=2))
    assert len(second.endings) == 1


@pytest.mark.asyncio
async def test_revoked_access_ends_readers_of_that_app_in_that_project_alone() -> None:
    apps = AppSessions(10)
    reader, own = identity(realm="realm-2-77-dev"), identity()
    sessions = [Session(evolve(reader, role="app_reader")), Session(own)]
    for session in sessions:
        apps.joined("S", session)
    event = {"project_key": 2, "app_key": 26, "provider": "weather"}
    await apps.follow(**event, is_granted=True)
    await apps.follow(**{**event, "app_key": 77}, is_granted=False)
    await apps.follow(**{**event, "project_key": 3}, is_granted=False)
    await apps.follow(**{**event, "project_key": None}, is_granted=False)
    await apps.follow("nonsense")
    assert [len(session.left) for session in sessions] == [0, 0]
    await apps.follow(**event, is_granted=False)
    assert [len(session.left) for session in sessions] == [1, 0]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("STU")), max_size=40))
def test_a_device_has_its_bound_and_leaves_nothing_behind(steps: list[tuple[bool, str]]) -> None:
    apps, inside = AppSessions(2), list[tuple[str, Session]]()
    for is_join, serial in steps:
        mine = [entry for entry in inside if entry[0] == serial]
        assert apps.is_full(serial) is (len(mine) >= 2)
        if is_join:
            session = Session(identity(authid=serial))
            apps.joined(serial, session)
            inside.append((serial, session))
        elif mine:
            apps.left(*mine[0])
            inside.remove(mine[0])
        apps.left(serial, Session(identity()))  # of no effect
    for serial, session in inside:
        apps.left(serial, session)
    assert apps._by_serial == {}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("mode", "ended"),
    [("strict", {"legacy", "legacy reader"}), ("own_realm_only", {"legacy reader"}), ("dual", set())],
)
async def test_what_came_by_a_serial_number_alone_ends_where_the_project_does_not_let_it_in(
    mode: str, ended: set[str]
) -> None:
    apps = AppSessions(100)
    legacy = identity(authid="S")
    sessions = {
        "app": Session(identity()),
        "legacy": Session(legacy),
        "legacy reader": Session(evolve(legacy, role="app_reader")),
        "other project": Session(identity("realm-3-26-dev", "S")),
    }
    for session in sessions.values():
        apps.joined("S", session)

    await apps.follow_legacy("nonsense")
    await apps.follow_legacy(project_key="2", mode=mode)
    await apps.follow_legacy(project_key=2, mode=mode)

    assert {name for name, session in sessions.items() if session.left} == ended
