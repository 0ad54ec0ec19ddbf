"""The WAMP surface for people: their own account and sessions; inviting others."""

import json
from typing import Any

import msgspec

from services.auth.administration import Administration
from services.auth.factors import overview_in_txn
from services.auth.links import done_by
from services.auth.persons import person_in_txn
from services.auth.records.people import (
    ChangeState,
    InvitationList,
    InvitePerson,
    Me,
    NameInvitation,
    OwnData,
    RenamePerson,
    SetupLink,
)
from services.auth.records.sessions import EndedSessions, EndSession, EndSessions, Session, SessionList, SessionView
from services.auth.registration import Registration
from services.auth.sessions import Sessions
from services.auth.step_up import StepUp
from services.auth.store.people import person_data, person_rename
from shared import audit
from shared.database import Database
from shared.identities import Person
from shared.names import clean_name
from shared.procedures import NoArguments, for_people


class PeopleProcedures:
    """What people do with their own accounts, and those who run the installation with others'."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        registration: Registration,
        administration: Administration,
        step_up: StepUp,
    ) -> None:
        """Serve from `database`."""
        self._database = database
        self._sessions = sessions
        self._registration = registration
        self._administration = administration
        self._step_up = step_up

    @for_people("ironflock.auth.account.me", is_reading=True)
    async def account_me(self, person: Person, request: NoArguments) -> Me:  # noqa: ARG002
        """The caller's own account."""
        async with self._database.transaction() as connection:
            account = await person_in_txn(connection, person.account_key)
            return Me(
                account_key=account.account_key,
                login_name=account.login_name,
                display_name=account.display_name,
                locale=account.locale,
                kind=account.kind,
                created_at=account.created_at,
                verified_at=account.verified_at,
                password_changed_at=account.password_changed_at,
                has_password=account.password_hash is not None,
                factors=await overview_in_txn(connection, person.account_key),
            )

    @for_people("ironflock.auth.account.rename", RenamePerson)
    async def account_rename(self, person: Person, request: RenamePerson) -> None:
        """How the caller is called, and in which language they are written to."""
        name = clean_name(request.display_name, what="display_name")
        async with self._database.transaction() as connection:
            await person_in_txn(connection, person.account_key)
            await person_rename(connection, person.account_key, name, request.locale)
            await audit.record(connection, done_by(person, audit.Action.ACCOUNT_RENAMED, person.account_key))

    @for_people("ironflock.auth.account.export")
    async def account_export(self, person: Person, request: NoArguments) -> OwnData:  # noqa: ARG002
        """Everything that auth holds of the caller, without a secret; needs a step-up."""
        await self._step_up.require(person)
        async with self._database.transaction() as connection:
            exported_at, found = await person_data(connection, person.account_key)
            await audit.record(connection, done_by(person, audit.Action.ACCOUNT_EXPORTED, person.account_key))
        return OwnData(exported_at, _as_json(found))

    @for_people("ironflock.auth.account.invite", InvitePerson)
    async def account_invite(self, person: Person, request: InvitePerson) -> NameInvitation:
        """Invite somebody by their address; needs `INVITE` on the installation."""
        return NameInvitation(await self._registration.invite(person, request.address, request.locale))

    @for_people("ironflock.auth.account.setup_link")
    async def account_setup_link(self, person: Person, request: NoArguments) -> SetupLink:  # noqa: ARG002
        """Where the first owner, who has an API key alone, gets a password."""
        return await self._registration.setup_link(person)

    @for_people("ironflock.auth.account.disable", ChangeState)
    async def account_disable(self, person: Person, request: ChangeState) -> None:
        """Keep somebody out, until they are let in again. Needs `LOCK` on the installation and a step-up."""
        await self._step_up.require(person)
        await self._administration.disable(person, request.account_key, request.reason)

    @for_people("ironflock.auth.account.enable", ChangeState)
    async def account_enable(self, person: Person, request: ChangeState) -> None:
        """Let somebody in again. Needs `LOCK` on the installation and a step-up."""
        await self._step_up.require(person)
        await self._administration.enable(person, request.account_key, request.reason)

    @for_people("ironflock.auth.invitation.list", is_reading=True)
    async def invitation_list(self, person: Person, request: NoArguments) -> InvitationList:  # noqa: ARG002
        """Who is invited and has not come yet; needs `INVITE` on the installation."""
        return InvitationList(await self._administration.invitations(person))

    @for_people("ironflock.auth.invitation.revoke", NameInvitation)
    async def invitation_revoke(self, person: Person, request: NameInvitation) -> None:
        """The invitation opens nothing any more; needs `INVITE` on the installation."""
        await self._administration.revoke_invitation(person, request.account_key)

    @for_people("ironflock.auth.session.list", is_reading=True)
    async def session_list(self, person: Person, request: NoArguments) -> SessionList:  # noqa: ARG002
        """Where the caller is signed in."""
        return SessionList([_view(each, person) for each in await self._sessions.of(person.account_key)])

    @for_people("ironflock.auth.session.end", EndSession)
    async def session_end(self, person: Person, request: EndSession) -> None:
        """End one of the caller's sessions, and all that lives from it."""
        await self._sessions.end(person, request.session)

    @for_people("ironflock.auth.session.end_all", EndSessions)
    async def session_end_all(self, person: Person, request: EndSessions) -> EndedSessions:
        """End the caller's sessions, and all that lives from them; API keys stay."""
        return EndedSessions(await self._sessions.end_all(person, but=person.credential if request.but_this else None))


def _view(session: Session, person: Person) -> SessionView:
    return SessionView(
        session=session.session_id,
        kind=session.kind,
        client=session.client_id,
        methods=session.amr,
        address=session.address,
        user_agent=session.user_agent,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        last_address=session.last_address,
        ends_at=session.ends_at,
        is_this=session.session_id == person.credential,
    )


def _as_json(found: dict[str, Any]) -> dict[str, Any]:
    text = msgspec.json.encode(found)
    values: dict[str, Any] = json.loads(text)
    return values
