"""What audit asks realms and auth."""

from typing import Any, cast

import pytest

from services.audit import rules
from services.audit.projects import PersonalValues, Projects
from shared.bus import Bus
from shared.errors import NotFoundError, UnavailableError

pytestmark = pytest.mark.asyncio


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


def project(key: int, owner: int) -> dict[str, Any]:
    return {"project_key": key, "owner_account_key": owner, "name": "x", "created_at": "2026-11-25T00:00:00Z"}


async def test_a_project_of_one_s_own_is_resolved() -> None:
    assert await Projects(cast(Bus, FakeBus(project(3, 5)))).resolve(5, "plant") == 3


async def test_given_a_foreign_project_when_realms_shows_it_all_the_same_then_it_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        await Projects(cast(Bus, FakeBus(project(3, 6)))).resolve(5, "plant")


async def test_the_readable_ones_are_one_s_own() -> None:
    bus = FakeBus([project(3, 5), project(4, 6)])

    assert await Projects(cast(Bus, bus)).readable(5) == (3,)
    assert bus.asked == [("ironflock.realms.project.owned", {"account_key": 5})]


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
