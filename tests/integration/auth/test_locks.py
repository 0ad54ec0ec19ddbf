"""Whoever is locked out comes in by nothing that they have, and has it all again when the lock ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from attrs import evolve

from services.auth.api_keys import ApiKeys
from services.auth.procedures.tickets import TicketProcedures
from services.auth.records.api_keys import CreateApiKey, NewApiKey
from services.auth.records.devices import FindDeviceCredential, IssueDeviceCredential
from services.auth.records.tickets import IssueAssertion, VerifyTicket
from services.auth.service_accounts import ServiceAccounts
from services.auth.signing import Signing
from shared.assertions import arguments_hash
from shared.errors import ExpiredError, NotAuthorizedError, PublicError, SignInRefusedError, UnavailableError
from shared.identities import ServiceIdentity
from shared.rights.records import LockKind
from tests.harness.authenticator import Authenticator
from tests.harness.rights import KnownRights
from tests.integration.auth.elsewhere import Elsewhere
from tests.integration.auth.people import AWAY, HOME, NAME, ORIGIN, PASSWORD, People, outcome
from tests.integration.auth.relying import DEVICE, RelyingParty, World
from tests.integration.auth.standin import StandIn
from tests.integration.auth.surface import Procedures

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ROUTER, GATEWAY, DEVICES = (ServiceIdentity(name, 1) for name in ("router", "gateway", "devices"))
BERT = "bert@example.com"
ORDER = CreateApiKey("x", ["all"])
OTHER = "a kettle sings before noon"


class Anna:
    """A person with everything by which one can come, each of it good."""

    def __init__(self, world: World, signing: Signing) -> None:
        self.world = world
        self.people = world.people
        self.rights = world.people.rights
        self.tickets: TicketProcedures = world.tickets(signing)

    async def begin(self) -> "Anna":
        """Bring it all together."""
        self.browser, self.client = await self.world.come(), await self.world.client()
        self.tokens = await self.client.signed_in(self.browser, scope="openid all")
        self.new = await self.people.signed_in()
        self.account_key = self.new.session.account_key
        person = self.people.person(self.new)
        keys = ApiKeys(self.people.database, self.people.mailing, self.people.database_now)
        account = await ServiceAccounts(self.people.database).create(person, "line")
        self.key = await keys.create(person, ORDER)
        self.other_key = await keys.create(person, ORDER)
        self.service_key = await keys.create(person, evolve(ORDER, account_key=account.account_key))
        self.service_account_key = account.account_key
        self.robot: RelyingParty = await self.world.client(
            "robot", grant_types=["client_credentials"], scopes=["read"], redirect_uris=[], is_first_party=False,
            post_logout_redirect_uris=[], account_key=account.account_key,
        )  # fmt: skip
        self.robot_token = (await self.robot.token(grant_type="client_credentials"))["access_token"]
        self.people.postgres.run("DELETE FROM auth.message")
        return self

    async def opens(self, ticket: str) -> bool:
        """Whether the router and the gateway are both told that it is good; they must hear the same."""
        verified = await self.tickets.ticket_verify(ROUTER, VerifyTicket(ticket))
        order = IssueAssertion(ticket, "realms", "ironflock.realms.project.list", arguments_hash({}))
        issued = await outcome(self.tickets.assertion_issue(GATEWAY, order))
        if isinstance(issued, UnavailableError):
            raise issued
        assert isinstance(issued, NotAuthorizedError) == (verified is None)
        return verified is not None

    async def looks(self) -> bool:
        """Whether the browser's cookie shows the account."""
        status = await self.browser.get("/account")
        if status == 503:
            raise UnavailableError("said the page")
        return self.browser.at == "/account"

    async def refreshes(self) -> bool:
        """Whether the refresh token gives the next ones."""
        given = await self.client.refresh(self.tokens["refresh_token"])
        return self._granted(given, "invalid_grant")

    async def acts_for_itself(self) -> bool:
        """Whether a client gets a token as the person's service account."""
        return self._granted(await self.robot.token(grant_type="client_credentials"), "invalid_request")

    def _granted(self, given: dict[str, Any], refusal: str) -> bool:
        if given.get("error") == "temporarily_unavailable":
            raise UnavailableError("said the endpoint")
        assert given.get("error") in (None, refusal)
        if "refresh_token" in given:
            self.tokens = given
        return "error" not in given

    async def is_known_to_clients(self) -> bool:
        """Whether introspection says that the access token is active."""
        said = await self.client.post("/oauth/introspect", {"token": self.tokens["access_token"]})
        if said.get("error") == "temporarily_unavailable":
            raise UnavailableError("said the endpoint")
        return bool(said["active"])

    async def is_shown_to_clients(self) -> bool:
        """Whether the person is told to a client that brings their token."""
        await self.client.get("/oauth/userinfo", f"Bearer {self.tokens['access_token']}")
        if self.client.answer.status == 503:
            raise UnavailableError("said the endpoint")
        return self.client.answer.status == 200


WAYS: dict[str, Callable[[Anna], Awaitable[bool]]] = {
    "a cookie": Anna.looks,
    "an access token": lambda anna: anna.opens(anna.tokens["access_token"]),
    "an API key": lambda anna: anna.opens(anna.key.key),
    "a service account's key": lambda anna: anna.opens(anna.service_key.key),
    "a service account's token": lambda anna: anna.opens(anna.robot_token),
    "a refresh token": Anna.refreshes,
    "client credentials": Anna.acts_for_itself,
    "introspection": Anna.is_known_to_clients,
    "user info": Anna.is_shown_to_clients,
}


@pytest_asyncio.fixture
async def anna(world: World, signing: Signing) -> Anna:
    return await Anna(world, signing).begin()


@pytest.mark.parametrize("way", WAYS)
async def test_what_somebody_has_opens_nothing_while_they_are_locked_out_and_everything_afterwards(
    anna: Anna, way: str
) -> None:
    assert await WAYS[way](anna)
    rows = anna.people.postgres.rows("SELECT count(*) FROM auth.session WHERE ended_at IS NULL")

    anna.rights.lock(LockKind.PERSON, anna.account_key)
    assert not await WAYS[way](anna)
    assert not await WAYS[way](anna)

    anna.rights.unlock()
    assert await WAYS[way](anna)
    assert anna.people.postgres.rows("SELECT count(*) FROM auth.session WHERE ended_at IS NULL") == rows
    assert "refresh_token.replayed" not in anna.people.actions()


@pytest.mark.parametrize("way", WAYS)
async def test_another_s_lock_keeps_nobody_out(anna: Anna, way: str) -> None:
    anna.rights.lock(LockKind.PERSON, anna.account_key + 1000)
    anna.rights.lock(LockKind.DEVICE, anna.account_key)
    anna.rights.lock(LockKind.PROJECT, anna.account_key)
    anna.rights.lock(LockKind.API_KEY, anna.account_key)

    assert await WAYS[way](anna)


@pytest.mark.parametrize("way", WAYS)
async def test_a_lock_that_has_ended_by_itself_keeps_nobody_out(anna: Anna, way: str) -> None:
    anna.rights.lock(LockKind.PERSON, anna.account_key, ends_at=anna.rights.now() - 1)

    assert await WAYS[way](anna)


@pytest.mark.parametrize("way", WAYS)
async def test_while_changes_are_not_heard_nobody_comes_in_and_nothing_is_lost(anna: Anna, way: str) -> None:
    anna.rights.is_silent = True
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await WAYS[way](anna)

    anna.rights.is_silent = False
    assert await WAYS[way](anna)


async def test_a_locked_key_opens_nothing_and_its_person_s_others_do(anna: Anna) -> None:
    anna.rights.lock(LockKind.API_KEY, anna.key.key_id)

    assert not await anna.opens(anna.key.key)
    assert await anna.opens(anna.other_key.key)
    assert await anna.opens(anna.service_key.key)
    assert await anna.opens(anna.tokens["access_token"])
    assert used(anna, anna.key) == [(None,)]
    anna.rights.unlock()
    assert await anna.opens(anna.key.key)


def used(anna: Anna, key: NewApiKey) -> list[Any]:
    """When it was used last."""
    return anna.people.postgres.rows("SELECT last_used_at FROM auth.api_key WHERE key_id = %s", key.key_id)


async def test_a_lock_on_a_service_account_is_that_one_s_alone(anna: Anna) -> None:
    anna.rights.lock(LockKind.PERSON, anna.service_account_key)

    assert not await anna.opens(anna.service_key.key)
    assert not await anna.opens(anna.robot_token)
    assert await anna.opens(anna.key.key)


async def test_a_code_that_was_given_out_before_opens_only_once_the_lock_has_ended(anna: Anna) -> None:
    back = await anna.client.authorized(anna.browser)

    anna.rights.lock(LockKind.PERSON, anna.account_key)
    assert (await anna.client.exchange(back["code"]))["error"] == "invalid_grant"

    anna.rights.unlock()
    assert "access_token" in await anna.client.exchange(back["code"])


async def test_a_device_that_somebody_let_in_before_gets_nothing_while_they_are_locked_out(anna: Anna) -> None:
    device = await anna.world.client("tool", token_endpoint_auth_method="none")
    waiting = await device.post("/oauth/device_authorization", {"scope": "openid offline_access all"})
    await anna.browser.get(f"/device?user_code={waiting['user_code']}")
    await anna.browser.submit("/device")
    await anna.browser.submit("/device/decide", decision="allow")
    poll = {"grant_type": DEVICE, "device_code": waiting["device_code"]}

    anna.rights.lock(LockKind.PERSON, anna.account_key)
    assert (await device.token(**poll))["error"] == "access_denied"

    anna.rights.unlock()
    anna.people.postgres.run("UPDATE auth.device_code SET last_polled_at = NULL")
    assert "access_token" in await device.token(**poll)


async def test_a_client_can_revoke_what_it_has_of_somebody_who_is_locked_out(anna: Anna) -> None:
    anna.rights.lock(LockKind.PERSON, anna.account_key)

    await anna.client.post("/oauth/revoke", {"token": anna.tokens["refresh_token"]})

    anna.rights.unlock()
    assert not await anna.refreshes()
    assert not await anna.opens(anna.tokens["access_token"])


async def test_a_password_reads_the_same_as_a_wrong_one_and_is_recorded_as_refused(people: People) -> None:
    new = await people.join()
    wrong = await outcome(people.sign_in.with_password(NAME, PASSWORD + "x", AWAY, browser=None))
    people.rights.lock(LockKind.PERSON, new.session.account_key)

    locked = await outcome(people.sign_in.with_password(NAME, PASSWORD, AWAY, browser=None))

    assert isinstance(locked, SignInRefusedError)
    assert isinstance(wrong, SignInRefusedError)
    assert locked.details() == wrong.details()
    assert people.actions()[-2:] == ["sign_in.refused", "sign_in.refused"]
    people.rights.unlock()
    await people.signed_in()


async def test_a_half_done_sign_in_is_not_finished(people: People) -> None:
    new = await people.join()
    secret = await people.enrol(new)
    token = await people.begun()
    people.later()
    people.rights.lock(LockKind.PERSON, new.session.account_key)

    with pytest.raises(SignInRefusedError):
        await people.sign_in.with_totp(token, people.code(secret), AWAY)

    people.rights.unlock()
    assert (await people.sign_in.with_totp(token, people.code(secret), AWAY)).new.session.account_key


async def test_a_passkey_opens_nothing(people: People) -> None:
    new, device = await people.join(), Authenticator(ORIGIN)
    made = await people.passkeys.begin(new.session)
    await people.passkeys.add(new.session, made.token, "laptop", device.create(made.options))
    people.rights.lock(LockKind.PERSON, new.session.account_key)
    asked = await people.sign_in.passkey_options(None)

    with pytest.raises(SignInRefusedError):
        await people.sign_in.with_passkey(asked.token, device.get(asked.options), AWAY)

    people.rights.unlock()
    again = await people.sign_in.passkey_options(None)
    await people.sign_in.with_passkey(again.token, device.get(again.options), AWAY)


async def test_no_letter_goes_out_for_a_new_password_and_an_older_one_opens_nothing(people: People) -> None:
    new = await people.join()
    await people.changes.ask_reset(NAME, HOME)
    _, code = await people.link()
    people.rights.lock(LockKind.PERSON, new.session.account_key)

    await people.changes.ask_reset(NAME, AWAY)
    assert await people.post() == []
    with pytest.raises(ExpiredError):
        await people.changes.reset(code, OTHER)

    people.rights.unlock()
    await people.changes.reset(code, OTHER)
    await people.signed_in(password=OTHER)


async def test_nobody_comes_in_by_another_provider(elsewhere: Elsewhere, standin: StandIn) -> None:
    first = elsewhere.browser()
    await elsewhere.come(first, sub="u-1", email=NAME, email_verified=True, name="Anna")
    claims = standin.claims
    assert first.at == "/account"
    account_key = elsewhere.rows("SELECT account_key FROM auth.account")[0][0]
    sessions = elsewhere.rows("SELECT count(*) FROM auth.session")
    elsewhere.people.rights.lock(LockKind.PERSON, account_key)

    other = elsewhere.browser()
    await elsewhere.come(other, **claims)

    assert other.at != "/account"
    assert elsewhere.rows("SELECT count(*) FROM auth.session") == sessions
    elsewhere.people.rights.unlock()
    again = elsewhere.browser()
    await elsewhere.come(again, **claims)
    assert again.at == "/account"


ASKED: dict[str, Callable[[People, str], Awaitable[object]]] = {
    "a password": lambda people, name: people.sign_in.with_password(name, PASSWORD, AWAY, browser=None),
    "a new password": lambda people, name: people.changes.ask_reset(name, AWAY),
}


@pytest.mark.parametrize("what", ASKED)
async def test_while_changes_are_not_heard_nobody_learns_who_is_here_and_no_attempt_is_counted(
    people: People, what: str
) -> None:
    await people.join()
    await people.join(BERT)
    people.postgres.run(f"UPDATE auth.account SET state = 'disabled' WHERE login_name = '{BERT}'")  # noqa: S608
    people.rights.is_silent = True
    answers = [
        await outcome(ASKED[what](people, name)) for name in (NAME, BERT, "nobody@example.com", "") for _ in "12"
    ]

    assert {type(answer) for answer in answers} == {UnavailableError}
    assert len({str(answer.details()) for answer in answers if isinstance(answer, PublicError)}) == 1
    people.rights.is_silent = False
    await people.signed_in()


async def test_a_half_done_sign_in_waits_while_changes_are_not_heard(people: People) -> None:
    secret = await people.enrol(await people.join())
    token = await people.begun()
    people.later()
    people.rights.is_silent = True
    for _ in range(8):
        with pytest.raises(UnavailableError):
            await people.sign_in.with_totp(token, people.code(secret), AWAY)

    people.rights.is_silent = False
    await people.sign_in.with_totp(token, people.code(secret), AWAY)


async def test_a_lock_that_comes_while_many_come_in_lets_nobody_in_after_it(anna: Anna) -> None:
    async def tries() -> bool:
        await asyncio.sleep(0)
        return await anna.opens(anna.key.key)

    before = [asyncio.create_task(tries()) for _ in range(10)]
    anna.rights.lock(LockKind.PERSON, anna.account_key)
    after = [asyncio.create_task(tries()) for _ in range(10)]

    await asyncio.gather(*before)
    assert await asyncio.gather(*after) == [False] * 10


@pytest.mark.parametrize(("kind", "key"), [(LockKind.DEVICE, 7), (LockKind.PROJECT, 3)])
@pytest.mark.parametrize("is_ended", [False, True])
async def test_a_locked_device_is_as_unknown_to_the_router_and_never_an_ended_one(
    procedures: Procedures, rights: KnownRights, kind: LockKind, key: int, *, is_ended: bool
) -> None:
    await procedures.device_credential_issue(DEVICES, IssueDeviceCredential(uuid4(), 7, 3, uuid4()))
    await procedures.device_credential_issue(DEVICES, IssueDeviceCredential(uuid4(), 8, 4, uuid4()))
    if is_ended:
        procedures_postgres = procedures._database
        await procedures_postgres.run(_end_all)

    rights.lock(kind, key)

    assert await procedures.device_credential_find(ROUTER, FindDeviceCredential("3-7")) is None
    assert await procedures.device_credential_find(ROUTER, FindDeviceCredential("4-8")) is not None
    rights.unlock()
    found = await procedures.device_credential_find(ROUTER, FindDeviceCredential("3-7"))
    assert found is not None
    assert found.state == ("ended" if is_ended else "active")


async def _end_all(connection: Any) -> None:
    await connection.execute("UPDATE auth.device_credential SET state = 'ended'")


async def test_devices_go_on_by_the_last_known_locks_while_changes_are_not_heard(
    procedures: Procedures, rights: KnownRights
) -> None:
    for device in (7, 8):
        await procedures.device_credential_issue(DEVICES, IssueDeviceCredential(uuid4(), device, 3, uuid4()))
    rights.lock(LockKind.DEVICE, 8)
    rights.is_silent = True

    assert await procedures.device_credential_find(ROUTER, FindDeviceCredential("3-7")) is not None
    assert await procedures.device_credential_find(ROUTER, FindDeviceCredential("3-8")) is None
