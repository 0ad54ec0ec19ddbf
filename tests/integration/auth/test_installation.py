"""The installation is run by flags: each thing by its own flag, and by no other."""

from collections.abc import Awaitable, Callable

import pytest
from attrs import evolve

from services.auth.records.provider import RegisterClient
from shared.errors import NotAuthorizedError, UnavailableError
from shared.flags import FLAGS, AssetKind
from shared.identities import Person
from shared.rights.records import LockKind
from shared.scopes import scopes_of
from tests.integration.auth.people import People, outcome
from tests.integration.auth.relying import REDIRECT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
GUARDED: dict[str, tuple[str, Callable[[World, Person], Awaitable[object]]]] = {
    "invite": ("INVITE", lambda world, who: world.people.registration.invite(who, "carl@example.com", "en")),
    "list invitations": ("INVITE", lambda world, who: world.people.administration().invitations(who)),
    "revoke an invitation": ("INVITE", lambda world, who: world.people.administration().revoke_invitation(who, 999)),
    "disable": ("LOCK", lambda world, who: world.people.administration().disable(who, 999, "")),
    "enable": ("LOCK", lambda world, who: world.people.administration().enable(who, 999, "")),
    "register a client": (
        "GRANT",
        lambda world, who: world.provider.clients.register(who, RegisterClient("Grafana", redirect_uris=[REDIRECT])),
    ),
    "list clients": ("GRANT", lambda world, who: world.provider.clients.list_all(who)),
    "end a client": ("GRANT", lambda world, who: world.provider.clients.end(who, "nobody")),
}


def state(people: People) -> list[object]:
    """Whatever a refusal must leave as it was."""
    tables = ("auth.account", "auth.client", "auth.link", "audit.queue")
    return [people.postgres.rows(f"SELECT t.* FROM {table} t ORDER BY 1") for table in tables]  # noqa: S608


@pytest.mark.parametrize("what", GUARDED)
async def test_each_thing_needs_its_flag_and_no_other_one_helps(world: World, what: str) -> None:
    flag, ask = GUARDED[what]
    new = await world.people.join()
    person = world.people.person(new)
    world.people.give(new, *(FLAGS[AssetKind.INSTALLATION].keys() - {flag}))
    before = state(world.people)

    refusal = await outcome(ask(world, person))

    assert isinstance(refusal, NotAuthorizedError)
    assert f"{flag} on the installation" in refusal.message
    assert refusal.details()["flag"] == flag
    assert state(world.people) == before
    world.people.give(new, flag)
    assert not isinstance(await outcome(ask(world, person)), NotAuthorizedError)


@pytest.mark.parametrize("what", GUARDED)
async def test_being_the_first_owner_is_no_flag(world: World, what: str) -> None:
    new = await world.people.join()
    world.people.set_first_owner(new)
    world.people.give(new)

    assert isinstance(await outcome(GUARDED[what][1](world, world.people.person(new))), NotAuthorizedError)


@pytest.mark.parametrize("what", GUARDED)
async def test_while_changes_are_not_heard_nobody_does_anything(world: World, what: str) -> None:
    new = await world.people.join()
    world.people.set_first_owner(new)
    before = state(world.people)
    world.people.rights.is_silent = True

    assert isinstance(await outcome(GUARDED[what][1](world, world.people.person(new))), UnavailableError)
    assert state(world.people) == before


async def test_neither_a_lock_nor_a_narrowed_key_lets_the_flag_count(world: World) -> None:
    new = await world.people.join()
    world.people.set_first_owner(new)
    person = world.people.person(new)

    with pytest.raises(NotAuthorizedError):
        await world.people.administration().invitations(evolve(person, scopes=scopes_of(["all@project/3"])))
    world.people.rights.lock(LockKind.PERSON, person.account_key)
    with pytest.raises(NotAuthorizedError, match="a lock stands"):
        await world.people.administration().invitations(person)
