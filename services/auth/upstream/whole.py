"""Everything about other providers, put together."""

from collections.abc import Callable, Iterable

from attrs import frozen

from services.auth.assembly import People
from services.auth.keyring import Keyring
from services.auth.records.upstream import UpstreamProvider
from services.auth.upstream.asking import Asking
from services.auth.upstream.checks import Checks
from services.auth.upstream.coming import Coming
from services.auth.upstream.links import Linking
from services.auth.upstream.logouts import Logouts
from services.auth.upstream.requests import Requests
from shared.database import Database


@frozen
class Upstream:
    """Sign-in with other providers; `providers` by their names, in the operator's order."""

    providers: dict[str, UpstreamProvider]
    requests: Requests
    coming: Coming
    linking: Linking
    checks: Checks
    logouts: Logouts


def upstream_of(
    database: Database,
    keyring: Keyring,
    people: People,
    providers: Iterable[UpstreamProvider],
    *,
    origin: str,
    now: Callable[[], float],
    chance: Callable[[], float],
) -> Upstream:
    """All of it on `database`.

    Args:
        origin: Of the pages, to which browsers come back.
        now: Gives Unix seconds.
        chance: Gives numbers of [0, 1).
    """
    known = {each.name: each for each in providers}
    askings = {name: Asking(each, now) for name, each in known.items()}
    linking = Linking(database, people.mailing, people.sessions)
    return Upstream(
        providers=known,
        requests=Requests(database, askings, origin=origin),
        coming=Coming(people, linking, database, keyring, providers=known, chance=chance),
        linking=linking,
        checks=Checks(database, keyring, people.sessions, askings, chance),
        logouts=Logouts(database, people.sessions, askings),
    )
