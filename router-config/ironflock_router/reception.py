"""The reception: settles each attempt to join, and keeps the books of who is in."""

from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from attrs import frozen
from autobahn.wamp import message
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ironflock_router.app_sessions import AppSessions
from ironflock_router.authentication.credentials import CredentialsAwayError
from ironflock_router.authentication.doors import TICKET, Door
from ironflock_router.authentication.proofs import MAX_AUTHID_LENGTH, Claim, Proofs
from ironflock_router.authentication.refusals import AWAY, FULL, OTHER_CELL, WRONG_PROOF, Refusal
from ironflock_router.authentication.slowdown import Slowdown
from ironflock_router.board_watch import BoardWatch
from ironflock_router.data_realms import DataRealms
from ironflock_router.expiry import Expiry
from ironflock_router.followers import FOLLOWERS, Followers
from ironflock_router.logs import Sampler
from ironflock_router.meta import MetaEvents
from ironflock_router.metrics import ENDED, JOINS, SESSIONS
from ironflock_router.people_watch import PeopleWatch
from ironflock_router.readiness import AgentProcedures
from ironflock_router.realm_names import DataRealm
from ironflock_router.records import Identity
from ironflock_router.seats import Seats
from ironflock_router.session import PlatformSession
from ironflock_router.wire_names import (
    BOARD_ROLES,
    DATA_ROLES,
    DATA_SERVICES,
    DEVICE,
    DEVICE_DUPLICATE,
    REALM1,
    USER,
)
from shared import tracing

log = structlog.get_logger()

DUPLICATE_STAYS_S: Final = 10.0
"""A copy leaves by itself at once; one that does not is shown out."""

HELD_BACK: Final = frozenset({WRONG_PROOF.outcome, OTHER_CELL.outcome})
MayRegister = Callable[[PlatformSession, message.Register], bool]


@frozen(eq=False)
class Reception:
    """What the sessions of all listeners share.

    `realm_is_started` tells whether a realm can be joined; `may_register` whether the table permits a registration (a
    refusal is recorded by asking); `lines` bounds the log lines about refused joins.
    """

    reactor: IReactorTime
    proofs: Proofs
    slowdown: Slowdown
    seats: Seats
    procedures: AgentProcedures
    expiry: Expiry
    events: MetaEvents
    apps: AppSessions
    boards: BoardWatch
    people: PeopleWatch
    followers: Followers
    data_realms: DataRealms
    realm_is_started: Callable[[str], bool]
    may_register: MayRegister
    lines: Sampler

    async def settle(self, claim: Claim, signature: str) -> Identity | Refusal:
        """Who joins, or with which sentence not. Never raises: Crossbar would send an exception's text out."""
        with tracing.joined(claim.door.value) as doing:
            outcome = await self._settled(claim, signature)
            if isinstance(outcome, Refusal):
                doing.refused("unavailable" if outcome is AWAY else outcome.outcome)
                self._record(claim, outcome)
        JOINS.labels(claim.door.value, outcome.outcome if isinstance(outcome, Refusal) else "proved").inc()
        if isinstance(outcome, Refusal) and outcome.outcome in HELD_BACK:
            await self._hold_back(claim)
        return outcome

    def joined(self, session: PlatformSession) -> None:
        """A session is in."""
        session.joined_at = self.reactor.seconds()
        identity = _identity_of(session)
        SESSIONS.labels(identity.role).inc()
        if identity.role == DEVICE and identity.device_key is not None:
            self.seats.take(identity.device_key, session)
            self.events.device_joined(identity.serial or "", session)
            self.procedures.joined(session)
        elif identity.role == DEVICE_DUPLICATE:
            self.reactor.callLater(DUPLICATE_STAYS_S, session.end)
        elif identity.role in DATA_ROLES:
            self.apps.joined(identity.serial, session)
        elif identity.role in BOARD_ROLES:
            self.boards.joined(session)
        elif identity.role == USER:
            self.people.joined(session)
        if identity.role in FOLLOWERS:
            session.on_event(partial(self.followers.delivered, session))
        if identity.ends_at is not None:
            self.expiry.watch(session, identity.credentials, identity.ends_at)

    def left(self, session: PlatformSession) -> None:
        """A session is out; of no effect for one that never was in."""
        if session.identity is None or not session.joined_at:
            return
        session.joined_at = 0.0
        identity = session.identity
        SESSIONS.labels(identity.role).dec()
        if identity.role in DATA_ROLES:
            self.apps.left(identity.serial, session)
        elif identity.realm == REALM1 and identity.device_key is not None:
            self.seats.release(identity.device_key, session)
            self.events.device_left(identity.serial or "", session)
        self.procedures.left(session)
        self.boards.left(session)
        self.people.left(session)
        self.followers.left(session)
        self.expiry.forget(session)

    def cut(self, session: PlatformSession, reason: str) -> None:
        """End a session that sent what no client of ours sends."""
        identity = _identity_of(session)
        ENDED.labels(reason).inc()
        log.warning("session_cut", authid=identity.authid, role=identity.role, reason=reason)
        session.end()

    async def _settled(self, claim: Claim, signature: str) -> Identity | Refusal:
        try:
            return await self._admit(claim, signature)
        except CredentialsAwayError:
            return AWAY
        except Exception:  # whatever it is, the client must only learn that it may try again
            log.exception("join_failed", path=claim.door.value)
            return AWAY

    async def _admit(self, claim: Claim, signature: str) -> Identity | Refusal:
        if claim.door is Door.APPS:
            return await self._admit_app(claim, signature)
        outcome = await self.proofs.check(claim, signature)
        if isinstance(outcome, Refusal):
            return outcome
        if outcome.role in DATA_SERVICES and DataRealm.parse(outcome.realm) is not None:
            return outcome if await self.data_realms.open(outcome.realm) else AWAY
        if not self.realm_is_started(outcome.realm):
            return AWAY
        if outcome.role != DEVICE:
            return outcome
        return AWAY if self.procedures.look() else await self.seats.admit(outcome)

    async def _admit_app(self, claim: Claim, signature: str) -> Identity | Refusal:
        if claim.method == TICKET and self.boards.is_silent:
            return AWAY  # before the ticket is used up
        with self.apps.join() as joining:
            outcome = await self.proofs.check(claim, signature)
            if isinstance(outcome, Refusal):
                return outcome
            if joining.is_over(outcome):
                return AWAY
            if outcome.app is not None and self.apps.is_full(outcome.serial):
                return FULL
            # Nothing may come between this and the WELCOME: what ends then meets a session.
            return outcome if await self.data_realms.open(outcome.realm) else AWAY

    def _record(self, claim: Claim, refusal: Refusal) -> None:
        unwritten = self.lines.take(self.reactor.seconds())
        if unwritten is not None:
            who = {"authid": claim.authid[:64], "address": claim.address}
            if refusal.cell is not None:
                who["cell"] = refusal.cell
            log.info("join_refused", path=claim.door.value, outcome=refusal.outcome, unwritten=unwritten, **who)

    async def _hold_back(self, claim: Claim) -> None:
        # A ticket names nobody: what comes with it as authid could be anybody else's.
        is_named = claim.authid and claim.method != TICKET
        principal = f"{claim.door.value} {claim.authid[:MAX_AUTHID_LENGTH]}" if is_named else ""
        delay = self.slowdown.after_failure(principal, claim.address, self.reactor.seconds())
        await _pause(self.reactor, delay)


def _pause(reactor: IReactorTime, delay_s: float) -> "Deferred[None]":
    return deferLater(reactor, delay_s, lambda: None)


def _identity_of(session: PlatformSession) -> Identity:
    if session.identity is None:
        raise RuntimeError("a session joined without an identity")
    return session.identity
