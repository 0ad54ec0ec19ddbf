"""Who comes by another provider: a known subject signs in, an invited person arrives, nobody takes over an account."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from attrs import field, frozen
from psycopg.errors import UniqueViolation

from services.auth.assembly import People
from services.auth.factors import overview_in_txn
from services.auth.keyring import Keyring
from services.auth.records.people import Locale, PersonAccount
from services.auth.records.sessions import NeedsFactor, NewSession, Session, SignedIn, Source
from services.auth.records.upstream import Identity, Offer, UpstreamProvider, UpstreamRequest
from services.auth.rules.login_names import clean_address, login_canonical
from services.auth.rules.upstream import MAX_SKEW_S, Step, next_step, pause_of_checks
from services.auth.sessions import token_hash
from services.auth.store.people import person_find_by_login, person_lock_in_txn
from services.auth.store.sessions import browser_is_known
from services.auth.store.upstream import upstream_link_find, upstream_session_insert
from services.auth.upstream.links import Linking
from services.auth.upstream.requests import name_of, refusal
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, FactorRejectedError, InvalidArgumentError

ID_OCTETS: Final = 16
HOUR_S: Final = 3_600
CHECK_PAUSE_S: Final = 600.0


@frozen
class Offered:
    """An account has their address: the link waits, by `token`, until they have shown here that it is theirs."""

    token: str = field(repr=False)


@frozen
class Arrival:
    """From where somebody comes and what they read; `browser` is the token of their browser, if it has one."""

    source: Source
    browser: str | None = field(repr=False)
    locale: Locale


class Coming:
    """The way in by other providers."""

    def __init__(
        self,
        people: People,
        linking: Linking,
        database: Database,
        keyring: Keyring,
        *,
        providers: Mapping[str, UpstreamProvider],
        chance: Callable[[], float],
    ) -> None:
        """Made of what signs people in; `chance` gives numbers of [0, 1)."""
        self._database = database
        self._keyring = keyring
        self._sign_in = people.sign_in
        self._sessions = people.sessions
        self._registration = people.registration
        self._linking = linking
        self._providers = providers
        self._chance = chance

    async def come(self, identity: Identity, arrival: Arrival) -> NeedsFactor | SignedIn | Offered:
        """Sign in, or come for the first time.

        Raises:
            SignInRefusedError: There is nothing here for them; why is not said.
            UnavailableError: Locks cannot be looked up now.
        """
        for _ in range(2):
            with suppress(UniqueViolation, AlreadyExistsError):  # they came twice at once: by now they are here
                came = await self._come_once(identity, arrival)
                if isinstance(came, PersonAccount):
                    await self._sign_in.refused(came, arrival.source, "upstream")
                    raise refusal("uninvited")
                return came
        raise refusal("expired")

    async def show_again(
        self, session: Session, request: UpstreamRequest, identity: Identity, source: Source
    ) -> NewSession:
        """The person of `session` has shown the provider again who they are, for this very request.

        Raises:
            SignInRefusedError: It was somebody else, or the provider did not ask them.
            FactorRejectedError: The account has a second factor here: it is what is asked for.
        """
        shown_at = identity.authenticated_at
        if shown_at is None or shown_at < request.created_at.timestamp() - MAX_SKEW_S:
            raise refusal("failed")
        async with self._database.transaction() as connection:
            link = await upstream_link_find(connection, identity.provider, identity.subject)
            if link is None or link.account_key != session.account_key:
                raise refusal("taken")
            if (await overview_in_txn(connection, session.account_key)).has_any and not identity.has_two_factors:
                raise FactorRejectedError("this account has a second factor: show that one")
            return await self._sessions.renew_in_txn(
                connection, session, amr=_amr(identity), has_factor=identity.has_two_factors, source=source
            )

    async def _come_once(
        self, identity: Identity, arrival: Arrival
    ) -> NeedsFactor | SignedIn | Offered | PersonAccount:
        """What came of it; the account, where it is theirs and cannot be used."""
        async with self._database.transaction() as connection:
            person, step = await self._met_in_txn(connection, identity)
            if step == "shut_out" and person is not None:
                return person
            if step == "confirm" and person is not None:
                offer = Offer(identity.provider, identity.subject, person.account_key)
                return Offered(await self._linking.offer_in_txn(connection, offer))
            if step in ("come", "create"):
                person = await self._arrived_in_txn(connection, identity, arrival.locale)
            if person is None or step in ("uninvited", "shut_out"):
                raise refusal("uninvited")
            upstream_id = await self._kept_in_txn(connection, identity, person)
            is_known = await browser_is_known(connection, token_hash(arrival.browser or ""), person.account_key)
            browser = arrival.browser if is_known else None
            return await self._sign_in.after_first_in_txn(
                connection, person, _amr(identity), arrival.source, browser=browser, upstream_id=upstream_id
            )

    async def _met_in_txn(self, connection: Connection, identity: Identity) -> tuple[PersonAccount | None, Step]:
        """The account that is meant, and what follows."""
        link = await upstream_link_find(connection, identity.provider, identity.subject)
        canonical = login_canonical(_address(identity) or "")
        if link is not None:
            person = await person_lock_in_txn(connection, link.account_key)
        else:
            person = await person_find_by_login(connection, canonical) if canonical else None
        state = None if person is None else person.state
        return person, next_step(
            is_linked=link is not None,
            can_sign_in=await self._sign_in.lets_in(person),
            state="disabled" if person is not None and person.kind != "person" else state,
            has_address=bool(canonical),
            is_open=self._registration.is_open,
        )

    async def _arrived_in_txn(self, connection: Connection, identity: Identity, locale: Locale) -> PersonAccount:
        """An account for somebody who was invited, or may come uninvited."""
        address = _address(identity) or ""
        name = identity.display_name or name_of(address.partition("@")[0])
        person = await self._registration.arrive_in_txn(connection, address, display_name=name, locale=locale)
        await self._linking.link_in_txn(
            connection, person, Offer(identity.provider, identity.subject, person.account_key), None
        )
        return person

    async def _kept_in_txn(self, connection: Connection, identity: Identity, person: PersonAccount) -> str:
        """Keep what must go on being true there while sessions from here last."""
        upstream_id = f"ups_{secrets.token_hex(ID_OCTETS)}"
        token = identity.refresh_token
        await upstream_session_insert(
            connection,
            upstream_id,
            provider=identity.provider,
            subject=identity.subject,
            sid=identity.sid,
            account_key=person.account_key,
            sealed=None if token is None else await self._keyring.seal(token, place_of(upstream_id)),
            life_s=self._providers[identity.provider].session_hours * HOUR_S,
            pause_s=pause_of_checks(self._chance(), pause_s=CHECK_PAUSE_S),
        )
        return upstream_id


def place_of(upstream_id: str) -> str:
    """Where a refresh token of another provider lies sealed."""
    return f"auth.upstream_session/{upstream_id}"


def _amr(identity: Identity) -> list[str]:
    """By what somebody has shown who they are (RFC 8176; `fed` is ours)."""
    return ["fed", "mfa"] if identity.has_two_factors else ["fed"]


def _address(identity: Identity) -> str | None:
    """Their address as accounts have it; None where it is none that could be written to."""
    try:
        return None if identity.address is None else clean_address(identity.address)
    except InvalidArgumentError:
        return None
