"""Who is let in to read by SQL, and how long: keys and tokens, the flag, scopes, locks, the project's second factor."""

from typing import Any, cast

import attrs
import pytest
from attrs import define, field

from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.records.sql import Admission, Startup
from services.fleetdb.sql_admission import ABSENT, NO_KEY, Admissions
from shared.bus import Bus
from shared.errors import NotAuthorizedError, NotFoundError, PublicError, UnavailableError
from shared.flags import AssetKind
from shared.rights.records import LockKind
from tests.harness.rights import KnownRights, project

pytestmark = pytest.mark.asyncio

ANNA, BERT = 5, 6
BACKEND = Backend(40, 7, 26, "weather", Stage.DEV, "d_x", "s_x", "l_x", 1, None, frozenset())
RIGHT = "right"
ADDRESS = "192.0.2.1"


@define
class Platform:
    """Auth and realms as they are asked, and rights."""

    rights: KnownRights = field(factory=KnownRights)
    scopes: list[str] = field(factory=lambda: ["all"])
    account_key: int = ANNA
    refused: dict[str, PublicError] = field(factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(factory=list)
    admitted: list[int] = field(factory=list)

    @property
    def admissions(self) -> Admissions:
        return Admissions(cast("Bus", self), self.rights, self.find, self.login_of)

    async def call(self, procedure: str, **named: Any) -> Any:
        """As a bus."""
        self.asked.append((procedure, named))
        if procedure in self.refused:
            raise self.refused[procedure]
        if procedure == "ironflock.auth.ticket.verify":
            found = {"account_key": self.account_key, "credential": "key 1", "scopes": self.scopes, "ends_at": 2e9}
            return found if named["ticket"] == "right" else None
        assert procedure == "ironflock.realms.project.resolve"
        return {"project_key": named["project"]}

    def find(self, realm: str) -> Backend | None:
        return BACKEND if realm == BACKEND.realm else None

    async def login_of(self, backend: Backend, account_key: int) -> str:
        assert backend is BACKEND
        self.admitted.append(account_key)
        return f"r_{account_key}"

    async def admit(self, password: str = RIGHT, realm: str = BACKEND.realm) -> Admission:
        return await self.admissions.admit(Startup("anybody", realm, {}), password, ADDRESS)


@pytest.fixture(name="platform")
def fixture_platform() -> Platform:
    made = Platform()
    made.rights.give(ANNA, 7, AssetKind.DATA_BACKEND, 40, "READ", "CONNECT")
    return made


async def test_whoever_has_the_flag_comes_in_as_a_login_of_their_own(platform: Platform) -> None:
    assert await platform.admit() == Admission(ANNA, "key 1", ADDRESS, 7, 40, "d_x", "r_5", 2e9)


async def test_the_owner_of_the_project_comes_in(platform: Platform) -> None:
    platform.account_key = BERT
    platform.rights.own(BERT, 7)

    assert (await platform.admit()).login == "r_6"


async def test_a_wrong_password_learns_nothing_of_what_there_is(platform: Platform) -> None:
    for realm in (BACKEND.realm, "realm-9-9-dev"):
        with pytest.raises(NotAuthorizedError, match=NO_KEY):
            await platform.admit("wrong", realm)
    assert platform.admitted == []


@pytest.mark.parametrize("realm", ["realm-7-26-prod", "realm-07-26-dev", "d_x", ""])
async def test_another_name_is_nothing(platform: Platform, realm: str) -> None:
    with pytest.raises(NotFoundError, match=ABSENT):
        await platform.admit(realm=realm)


async def test_whoever_may_not_even_see_it_hears_the_same_as_where_there_is_none(platform: Platform) -> None:
    platform.account_key = BERT

    with pytest.raises(NotFoundError, match=ABSENT):
        await platform.admit()


async def test_whoever_only_reads_is_told_what_is_missing(platform: Platform) -> None:
    platform.account_key = BERT
    platform.rights.give(BERT, 7, AssetKind.DATA_BACKEND, 40, "READ", "WRITE")

    with pytest.raises(NotAuthorizedError, match="CONNECT"):
        await platform.admit()
    assert platform.admitted == []


@pytest.mark.parametrize(
    ("scopes", "is_let_in"), [(["read"], True), (["read@project/7"], True), (["read@project/8"], False)]
)
async def test_a_key_reaches_no_further_than_its_scopes(
    platform: Platform, scopes: list[str], *, is_let_in: bool
) -> None:
    platform.scopes = scopes

    if is_let_in:
        await platform.admit()
    else:
        with pytest.raises((NotAuthorizedError, NotFoundError)):
            await platform.admit()


@pytest.mark.parametrize("kind_and_key", [(LockKind.PERSON, ANNA), (LockKind.PROJECT, 7)])
async def test_a_lock_keeps_out_and_puts_out(platform: Platform, kind_and_key: tuple[LockKind, int]) -> None:
    admission = await platform.admit()
    platform.rights.lock(*kind_and_key)

    with pytest.raises(PublicError):
        await platform.admit()
    with pytest.raises(PublicError):
        await platform.admissions.confirm(admission, "right")


async def test_a_project_that_requires_a_second_factor_is_closed_to_those_without(platform: Platform) -> None:
    platform.refused["ironflock.realms.project.resolve"] = NotAuthorizedError("this project requires a second factor")

    with pytest.raises(NotAuthorizedError, match="second factor"):
        await platform.admit()
    assert platform.admitted == []


@pytest.mark.parametrize("procedure", ["ironflock.auth.ticket.verify", "ironflock.realms.project.resolve"])
async def test_where_nobody_can_say_nobody_comes_in(platform: Platform, procedure: str) -> None:
    admission = await platform.admit()
    platform.refused[procedure] = UnavailableError("away")

    with pytest.raises(UnavailableError):
        await platform.admit()
    with pytest.raises(UnavailableError):
        await platform.admissions.confirm(admission, "right")


async def test_while_changes_of_rights_are_not_heard_nobody_comes_in(platform: Platform) -> None:
    platform.rights.is_silent = True

    with pytest.raises(UnavailableError):
        await platform.admit()


async def test_whoever_may_still_is_confirmed_from_where_they_are(platform: Platform) -> None:
    admission = await platform.admit()
    platform.asked.clear()

    await platform.admissions.confirm(admission, "right")

    assert platform.asked[0] == ("ironflock.auth.ticket.verify", {"ticket": "right", "address": ADDRESS})


async def test_whose_key_or_right_is_gone_is_confirmed_no_more(platform: Platform) -> None:
    admission = await platform.admit()

    with pytest.raises(NotAuthorizedError):
        await platform.admissions.confirm(admission, "wrong")
    platform.rights.lose(ANNA, project(7))
    with pytest.raises(NotFoundError):
        await platform.admissions.confirm(admission, "right")


async def test_a_key_that_is_somebody_elses_now_confirms_nobody(platform: Platform) -> None:
    admission = await platform.admit()

    with pytest.raises(NotAuthorizedError, match="another person"):
        await platform.admissions.confirm(attrs.evolve(admission, account_key=BERT), "right")
