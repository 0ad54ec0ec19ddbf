"""The questions: may they, why, what, who, and what changed. One snapshot each.

Everybody may ask about themselves; about others whoever has GRANT on the asset.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from attrs import evolve

from services.privileges import rules
from services.privileges.asking import (
    NOT_THERE,
    Case,
    Locked,
    case_at,
    case_now,
    case_of,
    cases_at_place,
    cases_of,
    locked_now,
    snapshot,
)
from services.privileges.people import NO_ACCOUNT, People
from services.privileges.records.history import ChangePage, ChangeView, ListChanges
from services.privileges.records.questions import (
    Answer,
    AssetPage,
    Check,
    Explain,
    Explanation,
    ListAssets,
    ListPeople,
    PeoplePage,
    PersonView,
)
from services.privileges.rows import ChangeRow, Place
from services.privileges.store import domains, history, people
from services.privileges.store.standings import holdings_read
from shared.database import Connection, Database
from shared.errors import InvalidArgumentError, NotFoundError
from shared.flags import FLAGS, AssetKind
from shared.identities import MAX_KEY, Person
from shared.paging import page, position_after
from shared.rights.records import Asset, Decision, Domain, DomainKind, Grant, Holdings
from shared.rights.rules import OF_PUBLIC_APP, decide

LOOKED_AT_ONCE: Final = 500
NOT_YET: Final = "the time to ask about must have passed"
BOTH: Final = "an asset is named by kind and key together"
SAY_WHICH: Final = "say on which asset: what somebody holds elsewhere is not yours to know"


class Questions:
    """Answers them."""

    def __init__(self, database: Database, people: People, now: Callable[[], float]) -> None:
        """Read `database`; `people` knows names; `now` gives Unix seconds."""
        self._now = now
        self._database = database
        self._people = people

    async def check(self, person: Person, request: Check) -> Answer:
        """Whether somebody has a flag.

        Raises:
            NotFoundError, NotAuthorizedError: It is about somebody else, and the caller has no GRANT there.
            InvalidArgumentError: The time is still to come.
        """
        account_key = await self._meant(person, request.account)
        if account_key == person.account_key and request.at is None:
            case = await case_now(self._database, account_key, request.kind, request.key, self._now())
            return _answer(case, request)
        async with snapshot(self._database) as (connection, now):
            within = await _let_ask(connection, person, account_key, (request.kind, request.key), now)
            case = await _case(connection, account_key, request, now, within)
        return _answer(case, request)

    async def check_many(self, person: Person, checks: list[Check]) -> list[Answer]:
        """Many checks, answered from one snapshot; about what the caller cannot see the answer is no.

        Raises:
            NotAuthorizedError: One is about somebody else, on something that the caller sees and has no GRANT on.
            InvalidArgumentError: A time is still to come.
        """
        meant = {name: await self._meant(person, name) for name in dict.fromkeys(check.account for check in checks)}
        whose = [meant[check.account] for check in checks]
        async with snapshot(self._database) as (connection, now):
            known = await domains.place_list(connection, {(check.kind, check.key) for check in checks})
            locked = await locked_now(connection, now)
            own = await _cases(connection, person.account_key, known, locked, now)
            cases = {person.account_key: own}
            answers = []
            for account_key, check in zip(whose, checks, strict=True):
                if account_key != person.account_key and not _may_ask(own.get((check.kind, check.key))):
                    case = None  # and nothing is read about them
                elif check.at is not None:
                    is_own = account_key == person.account_key
                    within = None if is_own else known[check.kind, check.key].domain
                    case = await _case(connection, account_key, check, now, within)
                else:
                    if account_key not in cases:
                        cases[account_key] = await _cases(connection, account_key, known, locked, now)
                    case = cases[account_key].get((check.kind, check.key))
                answers.append(_answer(case, check))
        return answers

    async def explain(self, person: Person, request: Explain) -> Explanation:
        """Every flag, with its reason or what is missing. Errors as `check`."""
        account_key = await self._named_there(person, request)
        async with snapshot(self._database) as (connection, now):
            within = await _let_ask(connection, person, account_key, (request.kind, request.key), now)
            case = await _case(connection, account_key, request, now, within)
        if case is None:
            decisions = {flag: rules.of_nothing(request.kind, flag) for flag in FLAGS[request.kind]}
        else:
            decisions = case.explain()
        flags = {flag: rules.answer(decision) for flag, decision in decisions.items()}
        return Explanation(account_key, request.kind, request.key, flags)

    async def assets(self, person: Person, request: ListAssets) -> AssetPage:
        """On which assets of a kind somebody has a flag; of others' assets those on which the caller has GRANT."""
        account_key = await self._meant(person, request.account)
        after = position_after(request.cursor)
        async with snapshot(self._database) as (connection, now):
            search = await _Search.begin(connection, person, account_key, request, now)
            found: list[int] = []
            while len(found) <= request.limit and (places := await search.next_places(after)):
                after = places[-1].key
                found += [place.key for place in await search.allowed(places)]
        keys, cursor = page(found[: request.limit + 1], request.limit, lambda key: key)
        return AssetPage(keys, cursor)

    async def holders(self, person: Person, request: ListPeople) -> PeoplePage:
        """Who has a flag on an asset.

        Raises:
            NotFoundError, NotAuthorizedError: The caller has no GRANT there.
        """
        after = position_after(request.cursor)
        found: list[tuple[int, Decision]] = []
        async with snapshot(self._database) as (connection, now):
            place = await domains.place_find(connection, request.kind, request.key)
            if place is None:
                raise NotFoundError(NOT_THERE)
            (await case_of(connection, person.account_key, place, now)).require("GRANT")
            while len(found) <= request.limit and (keys := await _candidates(connection, place, after)):
                after = keys[-1]
                cases = await cases_at_place(connection, keys, place, now)
                decided = [(key, cases[key].decide(request.flag)) for key in keys]
                found += [(key, decision) for key, decision in decided if decision.allowed]
        names = await self._people.names(key for key, _ in found)
        views = [_view(key, names.get(key, ""), decision) for key, decision in found[: request.limit + 1]]
        shown, cursor = page(views, request.limit, lambda view: view.account_key)
        return PeoplePage(shown, cursor)

    async def changes(self, person: Person, request: ListChanges) -> ChangePage:
        """The history of an asset (for whoever has AUDIT, or GRANT where there is no such flag), or of oneself."""
        account_key = None if request.account is None else await self._meant(person, request.account)
        if (request.kind is None) != (request.key is None):
            raise InvalidArgumentError(BOTH, argument="kind" if request.kind is None else "key")
        if request.kind is None:
            if account_key not in (None, person.account_key):
                raise InvalidArgumentError(SAY_WHICH, argument="key")
            account_key = person.account_key
        before = position_after(request.cursor) or MAX_KEY
        async with snapshot(self._database) as (connection, now):
            place = await _readable(connection, person, request.kind, request.key, now)
            is_whole = place is None or place.kind.value == place.domain.kind.value
            rows = await history.change_list(
                connection,
                domain=None if place is None else place.domain,
                kind=None if is_whole else request.kind,
                key=None if is_whole else request.key,
                account_key=account_key,
                before=before,
                limit=request.limit + 1,
            )
        shown, cursor = page([_change(row) for row in rows], request.limit, lambda change: change.change_key)
        return ChangePage(shown, cursor)

    async def _named_there(self, person: Person, request: Explain) -> int:
        """Whom an explanation is of; whether a name is anybody's is told to those alone who have GRANT on the asset.

        Raises:
            NotFoundError, NotAuthorizedError: The caller has no GRANT there; nobody is called that.
        """
        account = request.account
        if account is None or await self._people.is_self(person, account):
            return person.account_key
        if isinstance(account, int):
            return account
        async with snapshot(self._database) as (connection, now):
            await _let_ask(connection, person, NO_ACCOUNT, (request.kind, request.key), now)
        return (await self._people.meant(person, account)).account_key

    async def _meant(self, person: Person, account: int | str | None) -> int:
        """Whom a question is about; a name that is nobody's gets the answers of somebody who has nothing."""
        if account is None or isinstance(account, int):
            return person.account_key if account is None else account
        return await self._people.find(account)


class _Search:
    """Looks through the assets of one kind for those on which one person has one flag."""

    def __init__(
        self, connection: Connection, holdings: Holdings, asker: Holdings, request: ListAssets, now: datetime
    ) -> None:
        self._connection = connection
        self._asker = asker
        self._holdings = evolve(holdings, held=tuple(each for each in holdings.held if each.domain in asker.standings))
        self._request = request
        self._now = now
        self._locked: Locked = frozenset()
        probe = Asset(request.kind, 0)
        self._domains = [
            domain
            for domain, standing in self._holdings.standings.items()
            if decide(standing, request.flag, probe, now=now.timestamp()).allowed
        ]

    @classmethod
    async def begin(
        cls, connection: Connection, person: Person, account_key: int, request: ListAssets, now: datetime
    ) -> "_Search":
        """Where the asker has nothing, nothing is looked for: how long it takes tells nobody what others hold."""
        asker = await holdings_read(connection, person.account_key)
        if account_key == person.account_key:
            holdings = asker
        elif asker.held:
            holdings = await holdings_read(connection, account_key)
        else:
            holdings = Holdings(account_key, asker.position, ())
        search = cls(connection, holdings, asker, request, now)
        search._locked = await locked_now(connection, now)
        return search

    async def next_places(self, after: int) -> list[Place]:
        """Some more assets that may be among them, in the order of keys."""
        given = [
            grant
            for standing in self._holdings.standings.values()
            for grant in standing.grants
            if grant.flag == self._request.flag
        ]
        return await domains.place_list_in(
            self._connection,
            self._request.kind,
            domains=self._domains,
            keys=_keys(given, self._request.kind),
            groups=_keys(given, AssetKind.GROUP) if self._request.kind is AssetKind.DEVICE else [],
            with_public=self._request.kind is AssetKind.APP and self._request.flag in OF_PUBLIC_APP,
            after=after,
            limit=LOOKED_AT_ONCE,
        )

    async def allowed(self, places: list[Place]) -> list[Place]:
        """Those of them on which the person has the flag, and the asker, if somebody else, has GRANT."""
        heeded: Locked = frozenset() if self._request.despite_locks else self._locked
        found = await self._with(self._holdings, self._request.flag, places, heeded)
        is_own = self._holdings.account_key == self._asker.account_key
        return found if is_own else await self._with(self._asker, "GRANT", found, self._locked)

    async def _with(self, holdings: Holdings, flag: str, places: list[Place], locked: Locked) -> list[Place]:
        cases = await cases_of(self._connection, holdings, places, locked, self._now)
        return [place for place in places if cases[place.kind, place.key].decide(flag).allowed]


def _keys(given: list[Grant], kind: AssetKind) -> list[int]:
    return [grant.asset_key for grant in given if grant.kind is kind]


def _answer(case: Case | None, check: Check) -> Answer:
    return rules.answer(rules.of_nothing(check.kind, check.flag) if case is None else case.decide(check.flag))


async def _case(
    connection: Connection, account_key: int, request: Check | Explain, now: datetime, within: Domain | None
) -> Case | None:
    """The person and the asset; None where it was not there then, or not `within` that domain."""
    if request.at is not None:
        if request.at > now:
            raise InvalidArgumentError(NOT_YET, argument="at")
        return await case_at(connection, account_key, request.kind, request.key, request.at, within=within)
    place = await domains.place_find(connection, request.kind, request.key)
    return None if place is None else await case_of(connection, account_key, place, now)


async def _let_ask(
    connection: Connection, person: Person, account_key: int, named: tuple[AssetKind, int], now: datetime
) -> Domain | None:
    """Where what others hold is the caller's to know: in this domain; None where it is their own everywhere."""
    if account_key == person.account_key:
        return None
    place = await domains.place_find(connection, *named)
    if place is None:
        raise NotFoundError(NOT_THERE)
    (await case_of(connection, person.account_key, place, now)).require("GRANT")
    return place.domain


def _may_ask(own: Case | None) -> bool:
    """Whether the caller may ask about others there; False where they cannot see that there is anything.

    Raises:
        NotAuthorizedError: They see it, and have no GRANT on it.
    """
    try:
        if own is not None:
            own.require("GRANT")
    except NotFoundError:
        return False
    return own is not None


async def _cases(
    connection: Connection, account_key: int, known: dict[tuple[AssetKind, int], Place], locked: Locked, now: datetime
) -> dict[tuple[AssetKind, int], Case]:
    return await cases_of(connection, await holdings_read(connection, account_key), known.values(), locked, now)


async def _candidates(connection: Connection, place: Place, after: int) -> list[int]:
    """Some more people who may have something on the asset, in the order of their keys."""
    return await people.candidate_list(connection, place, after=after, limit=LOOKED_AT_ONCE)


async def _readable(
    connection: Connection, person: Person, kind: AssetKind | None, key: int | None, now: datetime
) -> Place | None:
    """The asset whose history is asked for, once the caller is seen to be allowed to read it."""
    if kind is None or key is None:
        return None
    place = await domains.place_find(connection, kind, key)
    if place is None:
        raise NotFoundError(NOT_THERE)
    is_project = place.domain.kind is DomainKind.PROJECT
    whole = Place(AssetKind(place.domain.kind.value), place.domain.key, place.domain)
    (await case_of(connection, person.account_key, whole, now)).require("AUDIT" if is_project else "GRANT")
    return place


def _view(account_key: int, name: str, decision: Decision) -> PersonView:
    shown = rules.answer(decision)
    return PersonView(account_key, name, shown.rule, shown.grant_key, shown.until)


def _change(row: ChangeRow) -> ChangeView:
    return ChangeView(
        change_key=row.change_key,
        at=row.at,
        what=row.what,
        is_on=row.is_on,
        account_key=row.account_key,
        kind=row.kind,
        key=row.asset_key,
        flag=row.flag,
        ends_at=row.ends_at,
        is_visit=row.is_visit,
        by_account_key=row.by_account_key,
        reason=row.reason,
    )
