"""Assertions, over the bus as the gateway: for one person, one procedure, its arguments, once (decision 7)."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import OKPKey

from shared.assertions import arguments_hash, claims_for, sign
from shared.identities import Person
from tests.harness.accounts import Stranger
from tests.harness.clients import Account, join_service
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

LIST = "ironflock.realms.project.list"
NOT_AUTHORIZED = "wamp.error.not_authorized"


@pytest_asyncio.fixture
async def gateway(ironflock: RunningPlatform) -> AsyncIterator[Peer]:
    """The gateway joins the bus in no release yet; the router reads services' secrets anew for each join."""
    file = ironflock.state.bus_secrets / "svc_gateway"
    is_made_here = not file.exists()
    if is_made_here:
        file.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        file.chmod(0o600)
    async with await join_service(ironflock, "gateway", "ironflock.system") as peer:
        yield peer
    if is_made_here:
        file.unlink()


async def issue(
    gateway: Peer, ticket: str, *, audience: str = "realms", procedure: str = LIST, **arguments: Any
) -> str:
    digest = arguments_hash(arguments)
    issued = await gateway.call(
        "ironflock.auth.assertion.issue", ticket=ticket, audience=audience, procedure=procedure, arguments_hash=digest
    )
    assertion: str = issued["assertion"]
    return assertion


async def refused(attempt: Any) -> None:
    with pytest.raises(WampError) as caught:
        await attempt
    assert caught.value.uri == NOT_AUTHORIZED


async def test_the_gateway_acts_for_the_person_whose_key_it_was_shown_and_sees_theirs_only(
    gateway: Peer, owner: Account, stranger: Stranger
) -> None:
    mine, theirs = owner.project(), stranger.account.project()

    as_stranger = await gateway.call(LIST, assertion=await issue(gateway, stranger.account.api_key))
    as_owner = await gateway.call(LIST, assertion=await issue(gateway, owner.api_key, limit=1000), limit=1000)

    assert [project["project_key"] for project in as_stranger["projects"]] == [theirs]
    assert mine in {project["project_key"] for project in as_owner["projects"]}
    assert theirs not in {project["project_key"] for project in as_owner["projects"]}


async def test_without_an_assertion_the_gateway_can_do_nothing(gateway: Peer) -> None:
    for procedure in (LIST, "ironflock.devices.device.list", "ironflock.auth.account.me"):
        await refused(gateway.call(procedure))
        await refused(gateway.call(procedure, assertion=""))
        await refused(gateway.call(procedure, assertion="a.b.c"))


async def test_an_assertion_is_taken_once(gateway: Peer, owner: Account) -> None:
    assertion = await issue(gateway, owner.api_key)
    await gateway.call(LIST, assertion=assertion)

    await refused(gateway.call(LIST, assertion=assertion))


async def test_an_assertion_is_for_its_arguments_procedure_and_service_only(gateway: Peer, owner: Account) -> None:
    await refused(gateway.call(LIST, limit=2, assertion=await issue(gateway, owner.api_key, limit=1)))
    await refused(gateway.call(LIST, limit=1, assertion=await issue(gateway, owner.api_key)))
    await refused(gateway.call(LIST, assertion=await issue(gateway, owner.api_key, audience="devices")))
    other = "ironflock.realms.project.show"
    await refused(gateway.call(LIST, assertion=await issue(gateway, owner.api_key, procedure=other)))
    await refused(gateway.call("ironflock.devices.device.list", assertion=await issue(gateway, owner.api_key)))


async def test_an_assertion_that_somebody_else_signed_is_refused(gateway: Peer, owner: Account) -> None:
    keys = await gateway.call("ironflock.auth.assertion.keys")
    me = Person(owner.call("ironflock.auth.account.me")["account_key"], 0)
    forger = OKPKey.generate_key("Ed25519", {"kid": keys["keys"][0]["kid"]})
    digest, now = arguments_hash({}), 1.9e9

    claims = claims_for(me, audience="realms", procedure=LIST, digest=digest, nonce="n" * 22, now=now)

    await refused(gateway.call(LIST, assertion=sign(claims, forger)))


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_an_assertion_of_which_one_character_was_changed_is_refused(
    gateway: Peer, owner: Account, at: int
) -> None:
    parts = (await issue(gateway, owner.api_key)).split(".")
    middle = len(parts[at]) // 2
    changed = "A" if parts[at][middle] != "A" else "B"
    parts[at] = parts[at][:middle] + changed + parts[at][middle + 1 :]

    await refused(gateway.call(LIST, assertion=".".join(parts)))


async def test_no_assertion_is_issued_for_a_key_that_opens_nothing(
    ironflock: RunningPlatform, gateway: Peer, stranger: Stranger
) -> None:
    await refused(issue(gateway, "ifk_nonsense"))
    with ironflock.database() as connection:
        connection.execute("UPDATE auth.account SET state = 'disabled' WHERE account_key = %s", [stranger.account_key])
    await refused(issue(gateway, stranger.account.api_key))


@pytest.mark.parametrize("name", ["realms", "devices"])
async def test_no_other_service_gets_an_assertion_or_uses_one(
    ironflock: RunningPlatform, gateway: Peer, owner: Account, name: str
) -> None:
    assertion = await issue(gateway, owner.api_key)
    async with await join_service(ironflock, name, "ironflock.system") as service:
        await refused(issue(service, owner.api_key))
        await refused(service.call(LIST, assertion=assertion))


async def test_the_published_keys_hold_no_private_part(gateway: Peer) -> None:
    keys = (await gateway.call("ironflock.auth.assertion.keys"))["keys"]

    assert keys
    assert all("d" not in key and key["kty"] == "OKP" for key in keys)
