"""What audit asks realms and auth."""

from typing import Any, cast

import pytest

from services.audit import rules
from services.audit.projects import PersonalValues, Projects
from shared.bus import Bus
from shared.errors import NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person
from shared.rights.records import LockKind
from tests.harness.rights import KnownRights

pytestmark = pytest.mark.asyncio
ANNA = Person(5, 11)


class FakeBus:
    """Answers as it is told to, and keeps what was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, procedure: str, **arguments: Any) -> Any:
        self.asked.append((procedure, arguments))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def answer(key: int) -> dict[str, Any]:
    return {"project_key": key, "name": "x", "created_at": "2026-11-25T00:00:00Z"}


def projects(bus: FakeBus, rights: KnownRights) -> Projects:
    return Projects(cast(Bus, bus), rights)


async def test_a_project_is_resolved_for_whoever_has_the_flag() -> None:
    rights, bus = KnownRights(), FakeBus(answer(3))
    rights.give(5, 3, AssetKind.PROJECT, 3, "READ", "AUDIT")

    assert await projects(bus, rights).resolve(ANNA, "plant") == 3
    with pytest.raises(NotAuthorizedError, match="DELETE"):
        await projects(bus, rights).resolve(ANNA, "plant", "DELETE")
    assert bus.asked[0] == ("ironflock.realms.project.resolve", {"account_key": 5, "project": "plant"})


async def test_given_a_foreign_project_when_realms_shows_it_all_the_same_then_it_is_not_found() -> None:
    rights = KnownRights()
    rights.own(6, 3)

    with pytest.raises(NotFoundError):
        await projects(FakeBus(answer(3)), rights).resolve(ANNA, "plant")


async def test_the_readable_ones_are_those_with_audit() -> None:
    rights, bus = KnownRights(), FakeBus([answer(3), answer(4), answer(5), answer(6)])
    rights.own(5, 3)
    rights.give(5, 4, AssetKind.PROJECT, 4, "READ")
    rights.give(5, 5, AssetKind.PROJECT, 5, "AUDIT")

    assert await projects(bus, rights).readable(ANNA) == (3, 5)
    assert bus.asked == [("ironflock.realms.project.reachable", {"account_key": 5})]


async def test_a_locked_person_reads_nothing() -> None:
    rights = KnownRights()
    rights.own(5, 3)
    rights.lock(LockKind.PERSON, 5)

    assert await projects(FakeBus([answer(3)]), rights).readable(ANNA) == ()
    with pytest.raises(NotFoundError):
        await projects(FakeBus(answer(3)), rights).resolve(ANNA, 3)


async def test_while_rights_are_silent_nobody_is_told_of_any() -> None:
    rights = KnownRights()
    rights.own(5, 3)
    rights.is_silent = True

    with pytest.raises(UnavailableError):
        await projects(FakeBus(answer(3)), rights).resolve(ANNA, 3)
    with pytest.raises(UnavailableError):
        await projects(FakeBus([answer(3)]), rights).readable(ANNA)


async def test_each_personal_value_is_asked_for_once() -> None:
    bus = FakeBus(["text"])
    value = {"account_key": 5, "sealed": "abc"}

    assert await PersonalValues(cast(Bus, bus)).opened([value, value]) == {(5, "abc"): "text"}
    assert bus.asked == [
        ("ironflock.auth.personal.open", {"items": [{**value, "context": "audit/5"}]}),
    ]


@pytest.mark.parametrize(
    ("answer", "found"),
    [([None], {(5, "abc"): rules.ERASED}), (UnavailableError("away"), {}), ([], {}), ("nonsense", {})],
)
async def test_what_auth_does_not_open_stays_sealed_and_what_it_cannot_is_erased(answer: Any, found: Any) -> None:
    assert await PersonalValues(cast(Bus, FakeBus(answer))).opened([{"account_key": 5, "sealed": "abc"}]) == found


async def test_nothing_is_asked_for_nothing() -> None:
    bus = FakeBus([])

    assert await PersonalValues(cast(Bus, bus)).opened([]) == {}
    assert bus.asked == []
