"""The decisions of realms. Pure."""

from shared.rights.records import DomainKind, Holdings


def touched(holdings: Holdings, *, now: float) -> list[int]:
    """The projects in which the person owns, is a member, or is on a visit at `now` (Unix seconds)."""
    return sorted(
        held.domain.key
        for held in holdings.held
        if held.domain.kind is DomainKind.PROJECT
        and (
            held.standing.is_owner
            or held.standing.is_member
            or any(grant.is_visit and (grant.ends_at or 0) > now for grant in held.standing.grants)
        )
    )
