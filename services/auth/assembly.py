"""How the parts by which people sign in are put together, once for the procedures and the pages."""

from collections.abc import Callable

from attrs import frozen

from services.auth.account_changes import AccountChanges
from services.auth.administration import Administration
from services.auth.api_keys import ApiKeys
from services.auth.factors import Factors
from services.auth.installation import Installation
from services.auth.keyring import Keyring
from services.auth.links import AccountParts, Links
from services.auth.locks import Locks
from services.auth.mailing import Mailing
from services.auth.passkeys import Passkeys
from services.auth.passwords import Passwords
from services.auth.reauthentication import Reauthentication
from services.auth.registration import Registration
from services.auth.service_accounts import ServiceAccounts
from services.auth.sessions import Sessions
from services.auth.sign_in import SignIn
from services.auth.sign_in_parts import Parts
from services.auth.step_up import StepUp
from services.auth.throttling import Throttle
from shared.database import Database
from shared.rights.decision_point import Rights

PRODUCT = "IronFlock"


@frozen
class People:
    """Everything by which people sign in."""

    sessions: Sessions
    passwords: Passwords
    throttle: Throttle
    mailing: Mailing
    factors: Factors
    passkeys: Passkeys
    step_up: StepUp
    sign_in: SignIn
    reauthentication: Reauthentication
    links: Links
    registration: Registration
    changes: AccountChanges
    administration: Administration
    api_keys: ApiKeys
    service_accounts: ServiceAccounts
    locks: Locks


def people_of(
    database: Database,
    keyring: Keyring,
    rights: Rights,
    *,
    origin: str,
    is_sign_up_open: bool,
    now: Callable[[], float],
    chance: Callable[[], float],
    shut_out: Callable[[], None],
) -> People:
    """All of it on `database`; `origin` is that of the pages, `now` gives Unix seconds, `chance` numbers of [0, 1)."""
    locks, installation = Locks(rights), Installation(rights)
    sessions, passwords, throttle = Sessions(database, keyring, locks), Passwords(), Throttle(database)
    mailing = Mailing(database, keyring, origin, chance)
    factors = Factors(database, keyring, mailing, now, issuer=PRODUCT)
    passkeys = Passkeys(database, mailing, origin=origin, name=PRODUCT)
    parts = Parts(database, keyring, sessions, passwords, throttle, factors, passkeys, locks)
    sign_in, links = SignIn(parts), Links(database, mailing)
    account_parts = AccountParts(
        database, keyring, mailing, passwords, sessions, sign_in, throttle, is_open=is_sign_up_open
    )
    return People(
        sessions=sessions,
        passwords=passwords,
        throttle=throttle,
        mailing=mailing,
        factors=factors,
        passkeys=passkeys,
        step_up=StepUp(database, now),
        sign_in=sign_in,
        reauthentication=Reauthentication(parts),
        links=links,
        registration=Registration(account_parts, links, installation),
        changes=AccountChanges(account_parts, links),
        administration=Administration(database, sessions, mailing, installation, shut_out=shut_out),
        api_keys=ApiKeys(database, mailing, now),
        service_accounts=ServiceAccounts(database),
        locks=locks,
    )
