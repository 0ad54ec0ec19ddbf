"""Auth's procedures: who is served, what is kept, what is recorded."""

import asyncio
from hashlib import sha256
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from services.auth import first_owner
from services.auth.keyring import Keyring
from services.auth.records.accounts import AccountKey, AccountKeys, NameApiKey, RequireFresh, ResolveAccounts
from services.auth.records.devices import (
    DeviceKey,
    FindByProof,
    FindDeviceCredential,
    FoundDeviceCredential,
    IssueDeviceCredential,
    MoveDeviceCredential,
    ProvenDevice,
)
from services.auth.records.sealing import OpenPersonal, PersonalItem, SealPersonal
from services.auth.records.tickets import AskCredentials, IssueAssertion, NamedCredential, VerifyTicket
from services.auth.rules.devices import tunnel_proof, tunnel_proof_digest
from shared.assertions import Assertions, arguments_hash
from shared.database import Database
from shared.errors import NotAuthorizedError, NotFoundError
from shared.identities import Person, ServiceIdentity
from shared.procedures import Audience, NoArguments, declared
from shared.rights.records import LockKind
from tests.harness.rights import KnownRights
from tests.integration.auth.material import MOMENT, NOW, OTHER_KEY, OWNER_KEY
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
NAMES = ["router", "auth", "realms", "devices", "gateway", "audit", "privileges", "tunnels", ""]
DEVICES, ROUTER, GATEWAY = ServiceIdentity("devices", 1), ServiceIdentity("router", 1), ServiceIdentity("gateway", 1)
TUNNELS = ServiceIdentity("tunnels", 1)
SERIAL = UUID("00000000-0000-4000-8000-000000000007")
ASSERTION = IssueAssertion(OWNER_KEY, "realms", "ironflock.realms.project.list", arguments_hash({}))
PAYLOADS: dict[str, tuple[Any, set[str]]] = {
    "ironflock.auth.device_credential.find": (FindDeviceCredential("3-7"), {"router"}),
    "ironflock.auth.device_credential.issue": (IssueDeviceCredential(UUID(int=1), 7, 3, SERIAL), {"devices"}),
    "ironflock.auth.device_credential.move": (MoveDeviceCredential(UUID(int=1), 7, 4, 1), {"devices"}),
    "ironflock.auth.device_credential.end": (DeviceKey(7), {"devices"}),
    "ironflock.auth.app_cred_key.find": (DeviceKey(7), {"devices"}),
    "ironflock.auth.device_credential.find_by_proof": (FindByProof("0a" * 32), {"tunnels"}),
    "ironflock.auth.ticket.verify": (VerifyTicket("x"), {"router", "tunnels"}),
    "ironflock.auth.credential.standing": (AskCredentials([NamedCredential(1, "x")]), {"tunnels"}),
    "ironflock.auth.assertion.issue": (ASSERTION, {"gateway"}),
    "ironflock.auth.assertion.keys": (NoArguments(), set(NAMES)),
    "ironflock.auth.account.find": (AccountKey(1), {"devices", "realms"}),
    "ironflock.auth.account.find_erased": (AccountKeys([1]), {"devices", "privileges"}),
    "ironflock.auth.account.resolve": (ResolveAccounts([1]), {"privileges"}),
    "ironflock.auth.account.first_owner": (NoArguments(), {"privileges"}),
    "ironflock.auth.session.require_fresh": (RequireFresh(1, None), {"privileges"}),
    "ironflock.auth.api_key.owner": (NameApiKey("x"), {"privileges"}),
    "ironflock.auth.personal.open": (OpenPersonal([]), {"audit"}),
    "ironflock.auth.personal.seal": (SealPersonal(1, "x"), {"tunnels"}),
}


def order(flash_id: UUID | None = None, **changes: Any) -> IssueDeviceCredential:
    return IssueDeviceCredential(
        **{"flash_id": flash_id or uuid4(), "device_key": 7, "project_key": 3, "serial_number": SERIAL, **changes}
    )


async def found(procedures: Procedures, authid: str = "3-7") -> FoundDeviceCredential | None:
    credential: FoundDeviceCredential | None = await procedures.device_credential_find(
        ROUTER, FindDeviceCredential(authid)
    )
    return credential


async def sign_up(database: Database, keyring: Keyring, postgres: Postgres) -> int:
    assert await first_owner.ensure(database, keyring, "owner@localhost", OWNER_KEY, now=MOMENT) == ""
    return int(postgres.rows("SELECT account_key FROM auth.account")[0][0])


@pytest_asyncio.fixture(name="owner")
async def fixture_owner(auth_database: Database, keyring: Keyring, postgres: Postgres) -> int:
    return await sign_up(auth_database, keyring, postgres)


async def test_every_procedure_for_services_is_tried_here(procedures: Procedures) -> None:
    uris = {d.uri for d, _ in declared(procedures) if d.audience is Audience.SERVICES}

    assert uris == set(PAYLOADS)


@pytest.mark.parametrize("uri", PAYLOADS)
async def test_no_service_but_those_named_is_served(procedures: Procedures, postgres: Postgres, uri: str) -> None:
    method = next(method for declaration, method in declared(procedures) if declaration.uri == uri)
    payload, named = PAYLOADS[uri]

    for name in NAMES:
        if name not in named:
            with pytest.raises(NotAuthorizedError):
                await method(ServiceIdentity(name, 1), payload)

    assert postgres.audited() == []
    assert postgres.rows("SELECT count(*) FROM auth.device_credential") == [(0,)]


async def test_the_router_finds_what_was_issued(procedures: Procedures) -> None:
    request = order()

    issued = await procedures.device_credential_issue(DEVICES, request)

    assert await found(procedures) == FoundDeviceCredential(
        "active", issued.secret, 7, 3, SERIAL, request.flash_id, "first"
    )
    assert await procedures.app_cred_key_find(DEVICES, DeviceKey(7)) == issued.app_cred_key


@pytest.mark.parametrize(
    "authid", ["3-8", "4-7", "7-3", "7", "", "3-7 ", "03-7", "3-7-1", "owner", "3-" + "9" * 200, "\x00"]
)
async def test_given_another_authid_when_the_router_asks_then_there_is_none(
    procedures: Procedures, authid: str
) -> None:
    await procedures.device_credential_issue(DEVICES, order())

    assert await found(procedures, authid) is None


async def test_the_same_flash_gets_the_same_secrets(procedures: Procedures, postgres: Postgres) -> None:
    request = order()

    first = await procedures.device_credential_issue(DEVICES, request)
    second = await procedures.device_credential_issue(DEVICES, request)

    assert first == second
    assert postgres.audited() == [("device_credential.issued", "done")]


async def test_given_one_flash_many_times_at_once_when_it_is_over_then_all_got_the_same(
    procedures: Procedures, postgres: Postgres
) -> None:
    request = order()

    answers = await asyncio.gather(*(procedures.device_credential_issue(DEVICES, request) for _ in range(6)))

    assert len({answer.secret for answer in answers}) == 1
    assert len(postgres.audited()) == 1


async def test_another_flash_replaces_everything_at_once(procedures: Procedures, postgres: Postgres) -> None:
    old = await procedures.device_credential_issue(DEVICES, order())
    digest = postgres.rows("SELECT tunnel_proof_digest FROM auth.device_credential")[0][0]

    new = await procedures.device_credential_issue(DEVICES, order())

    assert {new.secret, new.app_cred_key}.isdisjoint({old.secret, old.app_cred_key})
    credential = await found(procedures)
    assert credential is not None
    assert credential.secret == new.secret
    rows = postgres.rows("SELECT tunnel_proof_digest FROM auth.device_credential")
    assert rows == [(tunnel_proof_digest(new.secret, 7),)]
    assert rows[0][0] != digest
    assert len(postgres.audited()) == 2


async def test_ended_secrets_are_known_as_ended_and_no_more(procedures: Procedures, postgres: Postgres) -> None:
    issued = await procedures.device_credential_issue(DEVICES, order())

    ended = await procedures.device_credential_end(DEVICES, DeviceKey(7))
    assert await procedures.device_credential_end(DEVICES, DeviceKey(7)) == ended
    assert ended is not None
    assert ended.secret_sha256 == sha256(issued.secret.encode()).hexdigest()
    assert ended.tunnel_proof_sha256 == tunnel_proof_digest(issued.secret, 7).hex()

    credential = await found(procedures)
    assert credential is not None
    assert (credential.state, credential.secret) == ("ended", issued.secret)
    with pytest.raises(NotFoundError):
        await procedures.app_cred_key_find(DEVICES, DeviceKey(7))
    assert [action for action, _ in postgres.audited()] == ["device_credential.issued", "device_credential.ended"]


async def test_ending_what_is_not_there_changes_nothing(procedures: Procedures, postgres: Postgres) -> None:
    await procedures.device_credential_end(DEVICES, DeviceKey(99))

    assert postgres.audited() == []
    with pytest.raises(NotFoundError):
        await procedures.app_cred_key_find(DEVICES, DeviceKey(99))


async def test_no_secret_lies_in_clear_in_any_row(procedures: Procedures, postgres: Postgres) -> None:
    issued = await procedures.device_credential_issue(DEVICES, order())

    clear = [issued.secret, issued.app_cred_key, tunnel_proof(issued.secret, 7)]
    for table in ("auth.device_credential", "auth.data_key", "audit.queue"):
        text = str(postgres.rows(f"SELECT t::text, encode(convert_to(t::text, 'UTF8'), 'hex') FROM {table} t"))  # noqa: S608
        assert not any(value in text or value.encode().hex() in text for value in clear)


async def test_given_sealed_secrets_of_another_device_in_its_row_when_they_are_asked_for_then_they_do_not_open(
    procedures: Procedures, postgres: Postgres
) -> None:
    await procedures.device_credential_issue(DEVICES, order())
    await procedures.device_credential_issue(DEVICES, order(device_key=8, serial_number=uuid4()))
    postgres.run(
        "UPDATE auth.device_credential SET secret = (SELECT secret FROM auth.device_credential WHERE device_key = 8)"
        " WHERE device_key = 7"
    )

    with pytest.raises(Exception, match="does not belong"):
        await found(procedures)


async def proven(procedures: Procedures, secret: str, device_key: int = 7) -> ProvenDevice | None:
    digest = tunnel_proof_digest(secret, device_key).hex()
    device: ProvenDevice | None = await procedures.device_credential_find_by_proof(TUNNELS, FindByProof(digest))
    return device


async def test_a_device_is_found_by_the_proof_of_its_present_secret_alone(procedures: Procedures) -> None:
    flash_id = uuid4()
    first = await procedures.device_credential_issue(DEVICES, order())
    second = await procedures.device_credential_issue(DEVICES, order(flash_id))

    assert await proven(procedures, second.secret) == ProvenDevice(7, 3, SERIAL, flash_id)
    assert await proven(procedures, first.secret) is None
    assert await proven(procedures, second.secret, 8) is None
    await procedures.device_credential_end(DEVICES, DeviceKey(7))
    assert await proven(procedures, second.secret) is None


@pytest.mark.parametrize(("kind", "key"), [(LockKind.DEVICE, 7), (LockKind.PROJECT, 3)])
async def test_while_a_lock_stands_on_it_a_device_proves_nothing(
    procedures: Procedures, rights: KnownRights, kind: LockKind, key: int
) -> None:
    secret = (await procedures.device_credential_issue(DEVICES, order())).secret
    rights.lock(kind, key)

    assert await proven(procedures, secret) is None
    rights.unlock()
    assert await proven(procedures, secret) is not None


@pytest.mark.parametrize(
    "harm",
    [
        "",
        "UPDATE auth.api_key SET ended_at = now()",
        "UPDATE auth.api_key SET ends_at = now() - interval '1 hour'",
        "UPDATE auth.account SET state = 'disabled'",
    ],
)
async def test_a_credential_stands_while_it_opens_something(
    procedures: Procedures, auth_database: Database, keyring: Keyring, postgres: Postgres, harm: str
) -> None:
    account_key = await sign_up(auth_database, keyring, postgres)
    if harm:
        postgres.run(harm)
    named = [(account_key, OWNER_KEY[4:16]), (account_key, "other"), (account_key + 1, OWNER_KEY[4:16])]

    asked = AskCredentials([NamedCredential(*each) for each in named])
    standing = await procedures.credential_standing(TUNNELS, asked)

    assert [(each.account_key, each.credential) for each in standing] == ([] if harm else named[:1])
    assert all(each.ends_at > NOW for each in standing)


@pytest.mark.parametrize("kind", [LockKind.PERSON, LockKind.API_KEY])
async def test_a_lock_lets_a_credential_stand_no_more(
    procedures: Procedures, owner: int, rights: KnownRights, kind: LockKind
) -> None:
    rights.lock(kind, owner if kind is LockKind.PERSON else OWNER_KEY[4:16])

    asked = AskCredentials([NamedCredential(owner, OWNER_KEY[4:16])])
    assert await procedures.credential_standing(TUNNELS, asked) == []


async def test_what_is_sealed_for_a_person_is_what_audit_opens(
    procedures: Procedures, auth_database: Database, keyring: Keyring, postgres: Postgres
) -> None:
    account_key = await sign_up(auth_database, keyring, postgres)

    sealed = await procedures.personal_seal(TUNNELS, SealPersonal(account_key, "192.0.2.1"))

    assert sealed is not None
    item = PersonalItem(account_key, sealed, f"audit/{account_key}")
    assert await procedures.personal_open(ServiceIdentity("audit", 1), OpenPersonal([item])) == ["192.0.2.1"]
    assert await procedures.personal_seal(TUNNELS, SealPersonal(account_key + 1, "x")) is None


async def test_a_ticket_tells_whose_it_is(
    procedures: Procedures, auth_database: Database, keyring: Keyring, postgres: Postgres
) -> None:
    account_key = await sign_up(auth_database, keyring, postgres)

    verified = await procedures.ticket_verify(ROUTER, VerifyTicket(f" {OWNER_KEY}\n"))

    assert verified is not None
    assert (verified.account_key, verified.credential) == (account_key, OWNER_KEY[4:16])
    (ends_at,) = postgres.rows(
        "SELECT extract(epoch FROM ends_at)::float8, created_at + '90 days' = ends_at FROM auth.api_key"
    )
    assert ends_at == (verified.ends_at, True)
    assert postgres.rows("SELECT count(*) FROM auth.api_key WHERE last_used_at IS NOT NULL") == [(1,)]


@pytest.mark.parametrize("ticket", ["", "x", OTHER_KEY, OWNER_KEY[:-1], OWNER_KEY + "0", "\x00", "\ud800", "x" * 4096])
async def test_another_ticket_opens_nothing(
    procedures: Procedures, auth_database: Database, keyring: Keyring, postgres: Postgres, ticket: str
) -> None:
    await sign_up(auth_database, keyring, postgres)

    assert await procedures.ticket_verify(ROUTER, VerifyTicket(ticket)) is None


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE auth.api_key SET ended_at = now()",
        "UPDATE auth.api_key SET ends_at = now() - interval '1 hour'",
        "UPDATE auth.account SET state = 'disabled'",
        "UPDATE auth.api_key SET key_hash = sha256('other')",
        "DELETE FROM auth.account",
    ],
)
async def test_given_any_reason_against_it_when_a_ticket_is_shown_then_it_opens_nothing(
    procedures: Procedures, auth_database: Database, keyring: Keyring, postgres: Postgres, harm: str
) -> None:
    await sign_up(auth_database, keyring, postgres)
    postgres.run(harm)

    assert await procedures.ticket_verify(ROUTER, VerifyTicket(OWNER_KEY)) is None
    with pytest.raises(NotAuthorizedError):
        await procedures.assertion_issue(GATEWAY, ASSERTION)


async def test_an_assertion_speaks_for_the_holder_of_the_ticket_once(
    procedures: Procedures, auth_database: Database, keyring: Keyring, postgres: Postgres
) -> None:
    account_key = await sign_up(auth_database, keyring, postgres)

    async def keys() -> Any:
        return await procedures.assertion_keys(ServiceIdentity("realms", 1), NoArguments())

    issued = await procedures.assertion_issue(GATEWAY, ASSERTION)
    verifier = Assertions("realms", keys, lambda: NOW)
    person = await verifier.verify(issued.assertion, procedure="ironflock.realms.project.list", arguments={})

    assert person == Person(account_key, 0, OWNER_KEY[4:16])
    with pytest.raises(NotAuthorizedError):
        await verifier.verify(issued.assertion, procedure="ironflock.realms.project.list", arguments={})


async def test_an_account_shows_its_name(
    procedures: Procedures, auth_database: Database, keyring: Keyring, postgres: Postgres
) -> None:
    account_key = await sign_up(auth_database, keyring, postgres)

    account = await procedures.account_find(DEVICES, AccountKey(account_key))
    assert (account.account_key, account.login_name) == (account_key, "owner@localhost")
    with pytest.raises(NotFoundError):
        await procedures.account_find(DEVICES, AccountKey(account_key + 1))


async def test_secrets_are_in_no_representation(procedures: Procedures) -> None:
    issued = await procedures.device_credential_issue(DEVICES, order())
    credential = cast("FoundDeviceCredential", await found(procedures))

    for value in (issued, credential, VerifyTicket(OWNER_KEY), ASSERTION):
        assert issued.secret not in repr(value)
        assert OWNER_KEY not in repr(value)


async def test_a_moved_device_keeps_its_secret_and_comes_under_both_names_until_that_has_ended(
    procedures: Procedures, postgres: Postgres
) -> None:
    flash = uuid4()
    issued = await procedures.device_credential_issue(DEVICES, order(flash))

    async def names() -> list[int]:
        seen = [(project, await found(procedures, f"{project}-7")) for project in (3, 4, 5)]
        assert {each.secret for _, each in seen if each} == {issued.secret}
        return [project for project, each in seen if each]

    await procedures.device_credential_move(DEVICES, MoveDeviceCredential(flash, 7, 4, 2, moved_from=3))
    assert await names() == [3, 4]
    renewed = await procedures.app_cred_key_find(DEVICES, DeviceKey(7))
    assert renewed != issued.app_cred_key
    for late in (MoveDeviceCredential(flash, 7, 5, 2), MoveDeviceCredential(uuid4(), 7, 5, 9)):
        await procedures.device_credential_move(DEVICES, late)
    assert await names() == [3, 4]
    await procedures.device_credential_move(DEVICES, MoveDeviceCredential(flash, 7, 4, 3))

    assert await names() == [4]
    assert await procedures.app_cred_key_find(DEVICES, DeviceKey(7)) == renewed
    assert [action for action, _ in postgres.audited()] == ["device_credential.issued", "device_credential.moved"]
    await procedures.device_credential_issue(DEVICES, order(project_key=4))
    await procedures.device_credential_end(DEVICES, DeviceKey(7))
    await procedures.device_credential_move(DEVICES, MoveDeviceCredential(flash, 7, 5, 99))
