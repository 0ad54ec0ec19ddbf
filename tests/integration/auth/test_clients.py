"""Clients are registered by the first owner, and what makes no sense is refused."""

from typing import Any

import pytest
from attrs import evolve

from services.auth.installation import Installation
from services.auth.procedures.clients import ClientProcedures
from services.auth.provider.clients import Clients
from services.auth.records.provider import FLOCKCTL, TUNNELS, NameClient, RegisterClient
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    StepUpRequiredError,
)
from shared.identities import Person
from shared.procedures import NoArguments
from tests.integration.auth.relying import REDIRECT, RelyingParty, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ORDER = RegisterClient("Grafana", redirect_uris=[REDIRECT])
NOTHING = NoArguments()


@pytest.fixture
def clients(world: World) -> ClientProcedures:
    return ClientProcedures(world.provider.clients, world.provider.consents, world.people.step_up)


async def owner(world: World) -> Person:
    new = await world.people.join()
    world.people.set_first_owner(new)
    await world.browser.sign_in()
    return world.people.person(new)


async def test_a_registered_client_signs_people_in_until_it_is_ended(world: World, clients: ClientProcedures) -> None:
    person = await owner(world)

    made = await clients.client_register(person, evolve(ORDER, is_first_party=True))
    assert made.client_secret is not None
    assert made.client_secret not in repr(made)
    party = RelyingParty(world.provider, made.client_id, made.client_secret)
    tokens = await party.signed_in(world.browser)
    (shown,) = (await clients.client_list(person, NOTHING)).clients
    assert (shown.client_id, shown.name, shown.redirect_uris) == (made.client_id, "Grafana", [REDIRECT])
    await clients.client_end(person, NameClient(made.client_id))

    assert (await party.refresh(tokens["refresh_token"]))["error"] == "invalid_client"
    assert await world.provider.access_tokens.verify(tokens["access_token"]) is None
    assert (await clients.client_list(person, NOTHING)).clients == []
    with pytest.raises(NotFoundError):
        await clients.client_end(person, NameClient(made.client_id))
    assert world.people.actions()[-2:] == ["token_family.ended", "client.ended"]
    await clients.client_register(person, ORDER)


async def test_nobody_else_registers_clients(world: World, clients: ClientProcedures) -> None:
    person = world.people.person(await world.people.join())

    for refused in (
        clients.client_register(person, ORDER),
        clients.client_list(person, NOTHING),
        clients.client_end(person, NameClient("x")),
    ):
        with pytest.raises(NotAuthorizedError):
            await refused


async def test_registering_asks_for_a_fresh_factor(world: World, clients: ClientProcedures) -> None:
    person = await owner(world)
    world.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '6 minutes'")

    for refused in (clients.client_register(person, ORDER), clients.client_end(person, NameClient("x"))):
        with pytest.raises(StepUpRequiredError):
            await refused


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"redirect_uris": []},
        {"redirect_uris": ["http://app.example/callback"]},
        {"redirect_uris": ["https://app.example/*"]},
        {"redirect_uris": ["https://app.example/#x"]},
        {"redirect_uris": ["https://user@app.example/"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["/callback"]},
        {"redirect_uris": [REDIRECT] * 21},
        {"post_logout_redirect_uris": ["http://app.example/"]},
        {"backchannel_logout_uri": "http://app.example/logout"},
        {"scopes": ["openid", "admin"]},
        {"scopes": []},
        {"scopes": ["openid", "openid"]},
        {"grant_types": ["password"]},
        {"grant_types": []},
        {"grant_types": ["refresh_token"]},
        {"grant_types": ["client_credentials"]},
        {"account_key": 7},
    ],
)
async def test_a_client_that_makes_no_sense_is_refused(
    world: World, clients: ClientProcedures, change: dict[str, Any]
) -> None:
    person = await owner(world)

    with pytest.raises(InvalidArgumentError):
        await clients.client_register(person, evolve(ORDER, **change))

    assert (await clients.client_list(person, NOTHING)).clients == []


async def test_names_are_unique_and_service_accounts_the_caller_s_own(world: World, clients: ClientProcedures) -> None:
    person = await owner(world)
    await clients.client_register(person, ORDER)

    with pytest.raises(AlreadyExistsError):
        await clients.client_register(person, evolve(ORDER, name=" GRAFANA "))
    with pytest.raises(NotFoundError):
        await clients.client_register(
            person, RegisterClient("robot", grant_types=["client_credentials"], scopes=["read"], account_key=999)
        )


async def test_the_client_of_flockctl_is_there_once_and_stays(world: World, clients: ClientProcedures) -> None:
    person = await owner(world)
    await world.provider.clients.ensure_own()
    await world.provider.clients.ensure_own()

    (shown,) = (await clients.client_list(person, NOTHING)).clients
    assert (shown.client_id, shown.redirect_uris, shown.token_endpoint_auth_method) == (FLOCKCTL, [], "none")
    with pytest.raises(ConflictError):
        await clients.client_end(person, NameClient(FLOCKCTL))


async def test_the_client_of_tunnels_is_there_where_they_are_and_moves_with_them(
    world: World, clients: ClientProcedures
) -> None:
    person = await owner(world)
    for origin in ("https://tunnels.example", "https://tunnels.example:8458"):
        own = Clients(world.people.database, Installation(world.people.rights), origin)
        await own.ensure_own()
        await own.ensure_own()

        (shown,) = [each for each in (await clients.client_list(person, NOTHING)).clients if each.client_id == TUNNELS]
        assert (shown.redirect_uris, shown.is_first_party) == ([f"{origin}/sign-in/done"], True)
    with pytest.raises(ConflictError):
        await clients.client_end(person, NameClient(TUNNELS))


async def test_consents_are_listed_and_taken_back(world: World, clients: ClientProcedures) -> None:
    person = await owner(world)
    party = await world.client(is_first_party=False)
    await world.browser.get(party.link(scope="openid email"))
    await world.browser.submit("/consent", decision="allow")

    (shown,) = (await clients.consent_list(person, NOTHING)).consents
    assert (shown.client_id, shown.scopes) == ("app", ["email", "openid"])
    await clients.consent_revoke(person, NameClient("app"))

    assert (await clients.consent_list(person, NOTHING)).consents == []
    for name in ("app", "nobody", "a\0b"):
        with pytest.raises(NotFoundError):
            await clients.consent_revoke(person, NameClient(name))
