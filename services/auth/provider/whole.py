"""The OpenID provider, put together."""

from collections.abc import Callable

from attrs import frozen

from services.auth.installation import Installation
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.provider.access_tokens import AccessTokens
from services.auth.provider.authorization import Authorizations
from services.auth.provider.clients import Clients
from services.auth.provider.consents import Consents
from services.auth.provider.devices import WaitingDevices
from services.auth.provider.ending import Endings
from services.auth.provider.exchange import Exchange
from services.auth.provider.families import Families
from services.auth.provider.registry import Registry
from services.auth.provider.signing_keys import SigningKeys
from services.auth.provider.tickets import Tickets
from services.auth.provider.userinfo import UserInfo
from services.auth.throttling import Throttle
from shared.database import Database
from shared.rights.decision_point import Rights


@frozen
class Provider:
    """Everything by which clients sign people in."""

    issuer: str
    keys: SigningKeys
    access_tokens: AccessTokens
    exchange: Exchange
    authorizations: Authorizations
    user_info: UserInfo
    clients: Clients
    consents: Consents
    devices: WaitingDevices
    families: Families
    endings: Endings
    registry: Registry


def provider_of(
    database: Database,
    keyring: Keyring,
    throttle: Throttle,
    rights: Rights,
    *,
    issuer: str,
    audience: str,
    now: Callable[[], float],
    chance: Callable[[], float],
    clients_ca: str | None,
    tunnels: str | None = None,
) -> Provider:
    """All of it on `database`.

    Args:
        issuer: The origin of the pages.
        audience: The origin of the gateway, for which access tokens are.
        now: Gives Unix seconds.
        chance: Gives numbers of [0, 1).
        clients_ca: A PEM file of the authorities of clients that are told of logouts; None for the system's.
        tunnels: The origin of the domain of tunnels, whose visitors sign in here; None where there is none.
    """
    keys = SigningKeys(database, keyring, now)
    locks = Locks(rights)
    access_tokens = AccessTokens(database, keys, locks, now, issuer=issuer, audience=audience)
    return Provider(
        issuer=issuer,
        keys=keys,
        access_tokens=access_tokens,
        exchange=Exchange(database, access_tokens, locks, now),
        authorizations=Authorizations(database, keyring, access_tokens, now),
        user_info=UserInfo(database, access_tokens),
        clients=Clients(database, Installation(rights), tunnels),
        consents=Consents(database),
        devices=WaitingDevices(database, throttle),
        families=Families(database),
        endings=Endings(database, access_tokens, now, chance, ca=clients_ca),
        registry=Registry(
            database, keyring, keys, Tickets(database, access_tokens, locks, now), rights, issuer=issuer, now=now
        ),
    )
