"""Which requests of an app stand in a project, once its releases there have changed."""

from collections.abc import Iterable

from attrs import frozen

from services.realms.records.installs import Access, Request


@frozen
class Changes:
    """Requests that come, and providers whose requests go."""

    come: tuple[Request, ...]
    go: tuple[str, ...]


def changes(standing: Iterable[Access], wanted: Iterable[Request]) -> Changes:
    """What makes the requests those that are `wanted`; what was granted stays until its owner revokes it."""
    known = {access.provider: access for access in standing}
    asked = {request.provider: request for request in wanted}
    gone = (name for name, access in known.items() if name not in asked and not access.is_granted)
    return Changes(tuple(request for name, request in asked.items() if name not in known), tuple(gone))
