"""What privileges itself decides: how answers look, who may ask about whom, what may be given. Pure.

The rule about rights is `shared.rights.rules`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from services.privileges.records.history import What
from services.privileges.records.members import Member
from services.privileges.records.questions import Answer
from services.privileges.rows import ChangeRow, GrantRow, Line, MemberRow, seconds
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError
from shared.flags import FLAGS, AssetKind
from shared.rights.records import Asset, Decision, Default, Grant, LockKind, Standing
from shared.rights.rules import WITHOUT_PROJECT, decide, may_give, may_visit

INVITATION_LIFE: Final = timedelta(days=14)
TRANSFER_LIFE: Final = timedelta(days=7)
MAX_GRANTS: Final = 10_000
MAX_VISITS: Final = 500
"""Of one person, everywhere: nobody is asked before they are given one."""
MAX_LOCK: Final = timedelta(days=366)
OF_A_NEW_GROUP: Final = ("READ", "UPDATE", "MEMBERS", "DELETE")
"""What the creator of a group gets (decision 18); to give it device flags is the owner's choice."""
IN_A_PROJECT: Final = frozenset(AssetKind) - WITHOUT_PROJECT
IS_OWNER: Final = "this is the owner, who has every flag and can lose none; a transfer makes somebody else the owner"
NO_MEMBER: Final = "this person is no member of the project: invite them, or let them in for a visit (is_visit)"
IS_MEMBER: Final = "this person is a member of the project: a visit is for people outside"
OWN_FLAGS: Final = "nobody gives flags to themselves: ask somebody else who has GRANT there"
VISIT: Final = "a visit ends within 7 days and gives no GRANT: say ends_at, and leave GRANT out"
OWNER_ONLY: Final = "only the owner of the project may do this"
PROJECT_LOCKED: Final = "a lock stands on the project: nothing changes hands there until it has ended"
PAST: Final = "this is in the past"


def answer(decision: Decision) -> Answer:
    """A decision as people see it."""
    until = None if decision.until is None else datetime.fromtimestamp(decision.until, UTC)
    return Answer(decision.allowed, decision.rule, decision.grant_key, until)


def of_nothing(kind: AssetKind, flag: str) -> Decision:
    """What is said about an asset that is not there: the same as about one that the person has nothing to do with."""
    return decide(Standing(is_owner=False, is_member=False), flag, Asset(kind, 1), now=0)


def check_flags(kind: AssetKind, flags: Iterable[str]) -> list[str]:
    """`flags`, each once, all of which there are on `kind`.

    Raises:
        InvalidArgumentError: One of them there is not.
    """
    named = list(dict.fromkeys(flags))
    unknown = [flag for flag in named if flag not in FLAGS[kind]]
    if unknown:
        known = ", ".join(FLAGS[kind])
        raise InvalidArgumentError(f"there is no such flag on {kind.value}; there are {known}", argument="flags")
    return named


def check_end(ends_at: datetime | None, now: datetime) -> None:
    """Let pass an end that is still to come.

    Raises:
        InvalidArgumentError: It is not.
    """
    if ends_at is not None and ends_at <= now:
        raise InvalidArgumentError(PAST, argument="ends_at")


def check_kind_of_default(kind: AssetKind) -> None:
    """Let pass what there is in projects.

    Raises:
        InvalidArgumentError: There is no default for it.
    """
    if kind not in IN_A_PROJECT:
        raise InvalidArgumentError("only what is in a project has defaults", argument="kind")


def check_giving(giver: Standing, flags: list[str], asset: Asset, *, ends_at: datetime | None, now: datetime) -> None:
    """Let pass whoever may give all of `flags` until `ends_at`.

    Raises:
        NotAuthorizedError: They lack GRANT, one of the flags, or hold one for a shorter time; the text names it.
    """
    end = seconds(ends_at)
    for flag in flags:
        decision = may_give(giver, flag, asset, ends_at=end, now=now.timestamp())
        if not decision.allowed:
            raise NotAuthorizedError(
                f"to give {flag} on {asset.kind.value} {asset.key} you need GRANT there, and {flag} for as long",
                flag=flag,
                until=None if decision.until is None else datetime.fromtimestamp(decision.until, UTC).isoformat(),
            )


def check_receiver(
    receiver: Standing, flags: list[str], kind: AssetKind, *, ends_at: datetime | None, is_visit: bool, now: datetime
) -> None:
    """Let pass a person who can be given `flags`: a member, or, on a visit, somebody outside.

    Raises:
        ConflictError: They own it; they are no member; they are one, and this is a visit.
        InvalidArgumentError: It is no visit as it should be.
    """
    if receiver.is_owner:
        raise ConflictError(IS_OWNER)
    if kind in WITHOUT_PROJECT:
        if is_visit:
            raise InvalidArgumentError("there are visits to projects alone", argument="is_visit")
        return
    if receiver.is_member == is_visit:
        raise ConflictError(IS_MEMBER if is_visit else NO_MEMBER)
    end = seconds(ends_at)
    if is_visit and not all(may_visit(flag, ends_at=end, now=now.timestamp()) for flag in flags):
        raise InvalidArgumentError(VISIT, argument="ends_at")


def standing_from(facts: Iterable[ChangeRow], account_key: int) -> Standing:
    """The person's standing as the history tells it: from the facts of one domain that held at one time."""
    known = list(facts)
    own = [fact for fact in known if fact.account_key == account_key]
    is_member = any(fact.what is What.MEMBER for fact in own)
    return Standing(
        is_owner=any(fact.what is What.OWNER for fact in own),
        is_member=is_member,
        grants=tuple(
            Grant(
                fact.grant_key or 0,
                fact.flag or "",
                AssetKind(fact.kind or ""),
                fact.asset_key or 0,
                seconds(fact.ends_at),
                fact.is_visit,
            )
            for fact in own
            if fact.what is What.GRANT
        ),
        defaults=tuple(
            Default(
                fact.flag or "", AssetKind(fact.kind or ""), None if fact.ends_at is None else fact.ends_at.timestamp()
            )
            for fact in known
            if fact.what is What.DEFAULT and is_member
        ),
        is_public_app=any(fact.what is What.PUBLIC for fact in known),
    )


def owner_line(account_key: int, *, is_on: bool) -> Line:
    """Somebody owns the domain, or does not any more."""
    return Line(What.OWNER, is_on, account_key)


def member_line(account_key: int, *, is_on: bool) -> Line:
    """Somebody is a member, or is not any more."""
    return Line(What.MEMBER, is_on, account_key)


def asset_line(kind: AssetKind, key: int, groups: frozenset[int] = frozenset(), *, is_on: bool) -> Line:
    """Something is there, in these groups, or is gone."""
    return Line(What.ASSET, is_on, kind=kind.value, asset_key=key, groups=groups)


def public_line(key: int, *, is_on: bool) -> Line:
    """An app is public, or is not any more."""
    return Line(What.PUBLIC, is_on, kind=AssetKind.APP.value, asset_key=key)


def default_line(kind: AssetKind, flag: str, ends_at: datetime | None, *, is_on: bool) -> Line:
    """Every member has a flag, or has it no more."""
    return Line(What.DEFAULT, is_on, kind=kind.value, flag=flag, ends_at=ends_at)


def lock_line(kind: LockKind, key: str, ends_at: datetime | None, *, is_on: bool) -> Line:
    """A lock stands, or stands no more; one on an API key names no asset."""
    is_key = kind is LockKind.API_KEY
    return Line(
        What.LOCK,
        is_on,
        account_key=int(key) if kind is LockKind.PERSON else None,
        kind=kind.value,
        asset_key=None if is_key else int(key),
        ends_at=ends_at,
    )


def is_of_devices(flag: str) -> bool:
    """Whether a flag on a group holds on the devices in it."""
    return flag in FLAGS[AssetKind.DEVICE]


def ends_of_visits(visits: Iterable[GrantRow]) -> dict[int, datetime]:
    """When the last visit of each visitor ends."""
    ends: dict[int, datetime] = {}
    for visit in visits:
        if visit.ends_at is not None:
            ends[visit.account_key] = max(visit.ends_at, ends.get(visit.account_key, visit.ends_at))
    return ends


def members(
    owner: int | None, rows: Iterable[MemberRow], visitors: dict[int, datetime], names: dict[int, str]
) -> list[Member]:
    """Owner first, then members, then visitors."""

    def view(account_key: int, since: datetime | None = None, ends_at: datetime | None = None) -> Member:
        name = names.get(account_key, "")
        is_visitor = ends_at is not None
        return Member(account_key, name, account_key == owner, is_visitor=is_visitor, since=since, ends_at=ends_at)

    return [
        *([view(owner)] if owner is not None else []),
        *(view(row.account_key, since=row.since) for row in rows),
        *(view(key, ends_at=end) for key, end in sorted(visitors.items())),
    ]
