"""The whole rule of who may do what, pure. Source: the model of privileges, "Who has a flag on an asset".

(1) The owner of a project has every flag on it and on everything in it; the owner of an app on the app. (2) Otherwise
a person must be a member of the asset's project. (3) A member has a flag by a grant to them, by a default of the
project, and on a device by a grant on a group that it is in. (4) Nothing else, with two doors: a public app is read and
installed by everybody, and a visit lets somebody in who is no member, for 7 days at most and without `GRANT`. A lock
stands above all of it: on a person it takes every flag, on a thing all but those that let it be seen.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Final

from attrs import evolve

from shared.flags import FLAGS, AssetKind, is_flag
from shared.rights.records import VISIT_LIFE_S, Asset, Decision, Grant, Rule, Standing

OF_PUBLIC_APP: Final = frozenset({"READ", "INSTALL"})
WITHOUT_PROJECT: Final = frozenset({AssetKind.APP, AssetKind.INSTALLATION})
NEVER_OF_A_VISIT: Final = frozenset({"GRANT"})
UNDER_LOCK: Final = frozenset({"READ", "AUDIT"})


def decide(standing: Standing, flag: str, asset: Asset, *, now: float) -> Decision:
    """Whether the person has `flag` on `asset`, and by what; of several reasons the one that lasts longest.

    Args:
        now: Unix seconds; whatever ends now has ended.
    """
    if not is_flag(asset.kind, flag):
        return Decision(allowed=False, rule=Rule.UNKNOWN_FLAG)
    decision = _decide_unlocked(standing, flag, asset, now)
    is_locked = standing.is_locked_out or (asset.is_locked and flag not in UNDER_LOCK)
    return Decision(allowed=False, rule=Rule.LOCKED) if decision.allowed and is_locked else decision


def explain(standing: Standing, asset: Asset, *, now: float) -> dict[str, Decision]:
    """Every flag that there is on `asset`, each with its decision."""
    return {flag: decide(standing, flag, asset, now=now) for flag in FLAGS[asset.kind]}


def may_give(giver: Standing, flag: str, asset: Asset, *, ends_at: float | None, now: float) -> Decision:
    """Whether `giver` may give `flag` on `asset` until `ends_at`: with `GRANT`, what they hold, for as long as they do.

    The decision is that about the flag itself where both are held, so that it says until when the giver holds it. What
    is held on a group by a default holds on no device in it, and so is not held enough to be given there.
    """
    right = decide(giver, "GRANT", asset, now=now)
    confers = asset.kind is AssetKind.GROUP and flag in FLAGS[AssetKind.DEVICE]
    held = decide(evolve(giver, defaults=()) if confers else giver, flag, asset, now=now)
    if not right.allowed or not held.allowed:
        return held if right.allowed else right
    if not _lasts(held, ends_at):
        return Decision(allowed=False, rule=Rule.NO_GRANT, grant_key=held.grant_key, until=held.until)
    return held


def may_visit(flag: str, *, ends_at: float | None, now: float) -> bool:
    """Whether `flag` can be given to somebody outside the project until `ends_at`."""
    return flag not in NEVER_OF_A_VISIT and ends_at is not None and now < ends_at <= now + VISIT_LIFE_S


def flags_to_enter(
    standing: Standing, device: Asset, group: Asset, conferred: Mapping[str, float | None], *, now: float
) -> set[str]:
    """What is missing for putting `device` into `group` (decision 18); empty where nothing is.

    Needed are `MEMBERS` on the group, `GRANT` on the device, and there every flag that the group confers on anybody,
    for as long as it does.

    Args:
        conferred: When the last grant of each flag on the group ends, in Unix seconds; None where it does not.
    """
    missing = {flag for flag, end in conferred.items() if not _lasts(decide(standing, flag, device, now=now), end)}
    if not decide(standing, "GRANT", device, now=now).allowed:
        missing.add("GRANT")
    if not decide(standing, "MEMBERS", group, now=now).allowed:
        missing.add("MEMBERS")
    return missing


def _decide_unlocked(standing: Standing, flag: str, asset: Asset, now: float) -> Decision:
    if standing.is_owner:
        return Decision(allowed=True, rule=Rule.OWNER)
    if _is_public(standing, asset) and flag in OF_PUBLIC_APP:
        return Decision(allowed=True, rule=Rule.PUBLIC_APP)
    reasons = [reason for reason in _reasons(standing, flag, asset) if _end(reason) > now]
    if reasons:
        return max(reasons, key=_end)
    is_inside = standing.is_member or asset.kind in WITHOUT_PROJECT
    return Decision(allowed=False, rule=Rule.NO_GRANT if is_inside else Rule.NO_MEMBER)


def _is_public(standing: Standing, asset: Asset) -> bool:
    return asset.kind is AssetKind.APP and (standing.is_public_app or asset.is_public)


def _reasons(standing: Standing, flag: str, asset: Asset) -> Iterator[Decision]:
    is_inside = standing.is_member or asset.kind in WITHOUT_PROJECT
    for grant in _candidates(standing, asset):
        rule = _rule_of(grant, flag, asset)
        if rule is not None and (is_inside or rule is Rule.VISIT):
            yield Decision(allowed=True, rule=rule, grant_key=grant.grant_key, until=grant.ends_at)
    if standing.is_member:
        for default in standing.defaults:
            if default.flag == flag and default.kind is asset.kind:
                yield Decision(allowed=True, rule=Rule.DEFAULT, until=default.ends_at)


def _candidates(standing: Standing, asset: Asset) -> Iterator[Grant]:
    yield from standing.grants_on(asset.kind, asset.key)
    if asset.kind is AssetKind.DEVICE:
        for group in asset.groups:
            yield from standing.grants_on(AssetKind.GROUP, group)


def _rule_of(grant: Grant, flag: str, asset: Asset) -> Rule | None:
    """By which rule `grant`, on `asset` or on a group that it is in, speaks for `flag`, if it does."""
    if grant.flag != flag:
        return None
    if grant.is_visit and (flag in NEVER_OF_A_VISIT or grant.ends_at is None):
        return None
    if grant.kind is asset.kind:
        return Rule.VISIT if grant.is_visit else Rule.GRANT
    if flag not in FLAGS[AssetKind.DEVICE]:
        return None
    return Rule.VISIT if grant.is_visit else Rule.GROUP


def _lasts(held: Decision, end: float | None) -> bool:
    return held.allowed and (inf if end is None else end) <= _end(held)


def _end(reason: Decision) -> float:
    return inf if reason.until is None else reason.until
