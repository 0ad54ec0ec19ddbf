"""The procedures of people: each for its caller, with a step-up where it matters."""

import json

import pytest
from attrs import evolve

from services.auth.procedures.factors import FactorProcedures
from services.auth.procedures.people import PeopleProcedures
from services.auth.records.accounts import AccountKey
from services.auth.records.factors import NamePasskey
from services.auth.records.people import ChangeState, InvitePerson, NameInvitation, RenamePerson
from services.auth.records.sessions import EndSession, EndSessions
from services.auth.service_accounts import ServiceAccounts
from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError, StepUpRequiredError
from shared.identities import Person, ServiceIdentity
from shared.procedures import NoArguments
from tests.integration.auth.people import AWAY, NAME, PASSWORD, People, outcome

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
NOTHING = NoArguments()


@pytest.fixture
def procedures(people: People) -> PeopleProcedures:
    return PeopleProcedures(
        people.database, people.sessions, people.registration, people.administration(), people.step_up
    )


@pytest.fixture
def factors(people: People) -> FactorProcedures:
    return FactorProcedures(people.database, people.factors, people.passkeys, people.step_up)


async def test_people_see_their_own_account(people: People, procedures: PeopleProcedures) -> None:
    new = await people.join()

    me = await procedures.account_me(people.person(new), NOTHING)

    assert (me.login_name, me.display_name, me.has_password, me.factors.has_any) == (NAME, "Anna", True, False)
    with pytest.raises(NotFoundError):
        await procedures.account_me(Person(10**9, 1), NOTHING)


async def test_people_say_how_they_are_called(people: People, procedures: PeopleProcedures) -> None:
    person = people.person(await people.join())

    await procedures.account_rename(person, RenamePerson(" Anna M. ", "de"))

    me = await procedures.account_me(person, NOTHING)
    assert (me.display_name, me.locale) == ("Anna M.", "de")
    with pytest.raises(InvalidArgumentError):
        await procedures.account_rename(person, RenamePerson("\u202eanna", "de"))


async def test_sessions_are_listed_with_place_and_ended(people: People, procedures: PeopleProcedures) -> None:
    first = await people.join()
    second = await people.signed_in()
    person = people.person(first)

    shown = (await procedures.session_list(person, NOTHING)).sessions
    assert [each.is_this for each in shown] == [False, True]
    assert {each.address for each in shown} == {"192.0.2.1"}
    await procedures.session_end(person, EndSession(second.session.session_id))
    await people.signed_in()
    assert (await procedures.session_end_all(person, EndSessions())).ended == 1
    assert (await procedures.session_end_all(person, EndSessions(but_this=False))).ended == 1
    assert (await procedures.session_list(person, NOTHING)).sessions == []


async def test_an_export_has_everything_and_no_secret(people: People, procedures: PeopleProcedures) -> None:
    new = await people.join()
    secret = await people.enrol(new)
    people.later()
    fresh = (await people.sign_in.with_totp(await people.begun(), people.code(secret), AWAY)).new

    exported = await procedures.account_export(people.person(fresh), NOTHING)

    text = json.dumps(exported.data)
    assert exported.data["account"][0]["login_name"] == NAME
    assert {"192.0.2.1", "198.51.100.9"} & set(text.split('"'))
    for hidden in (secret, "argon2", PASSWORD, fresh.cookie, "hash", "sealed"):
        assert hidden not in text
    assert people.actions()[-1] == "account.exported"


async def test_what_matters_needs_a_fresh_factor(
    people: People, procedures: PeopleProcedures, factors: FactorProcedures
) -> None:
    new = await people.join()
    people.set_first_owner(new)
    people.age(new, 3_600)
    person = people.person(new)
    before = people.actions()

    for refused in (
        procedures.account_export(person, NOTHING),
        procedures.account_disable(person, ChangeState(1, "x")),
        procedures.account_enable(person, ChangeState(1, "x")),
        factors.totp_remove(person, NOTHING),
        factors.recovery_codes_renew(person, NOTHING),
        factors.passkey_remove(person, NamePasskey("x")),
    ):
        assert isinstance(await outcome(refused), StepUpRequiredError)
    assert people.actions() == before


async def test_the_first_owner_invites_and_takes_it_back(people: People, procedures: PeopleProcedures) -> None:
    new = await people.join()
    people.set_first_owner(new)
    person = people.person(new)

    made = await procedures.account_invite(person, InvitePerson("bert@example.com", "de"))

    listed = (await procedures.invitation_list(person, NOTHING)).invitations
    assert [each.account_key for each in listed] == [made.account_key]
    await procedures.invitation_revoke(person, NameInvitation(made.account_key))
    assert (await procedures.invitation_list(person, NOTHING)).invitations == []


async def test_what_people_do_is_in_the_log_with_their_session(people: People, procedures: PeopleProcedures) -> None:
    new = await people.join()
    people.set_first_owner(new)
    person = evolve(people.person(new), session=77)
    service_accounts = ServiceAccounts(people.database)

    invited = await procedures.account_invite(person, InvitePerson("bert@example.com", "de"))
    await procedures.invitation_revoke(person, NameInvitation(invited.account_key))
    await procedures.account_rename(person, RenamePerson("Anna M.", "de"))
    await procedures.account_export(person, NOTHING)
    line = await service_accounts.create(person, "line")
    await service_accounts.end(person, line.account_key)

    said = people.postgres.rows(
        "SELECT action, source ->> 'session' FROM audit.queue"
        " WHERE actor ->> 'kind' = 'person' AND actor ->> 'credential' = %s ORDER BY id",
        person.credential,
    )
    assert [each for each in said if each[0] != "session.started"] == [
        ("account.invited", "77"),
        ("invitation.revoked", "77"),
        ("account.renamed", "77"),
        ("account.exported", "77"),
        ("service_account.created", "77"),
        ("service_account.ended", "77"),
    ]


async def test_services_ask_whether_there_is_a_second_factor(people: People, factors: FactorProcedures) -> None:
    new = await people.join()
    key = AccountKey(new.session.account_key)
    realms = ServiceIdentity("realms", 1)

    assert await factors.account_has_factor(realms, key) is False
    await people.enrol(new)
    assert await factors.account_has_factor(realms, key) is True
    with pytest.raises(NotAuthorizedError):
        await factors.account_has_factor(ServiceIdentity("gateway", 1), key)
    assert (await factors.factor_list(people.person(new), NOTHING)).has_totp
