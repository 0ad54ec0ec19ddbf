"""Cookies of auth: every one of them is this host's alone, over TLS alone, and no script reads it (RFC 6265bis)."""

import re
from typing import Final

from attrs import field, frozen

from services.auth.records.sessions import BROWSER_LIFE_S, SIGN_IN_LIFE_S, NewSession
from services.auth.records.upstream import OFFER_LIFE_S

SESSION: Final = "__Host-ironflock_session"
BROWSER: Final = "__Host-ironflock_browser"
SIGN_IN: Final = "__Host-ironflock_sign_in"
FORM: Final = "__Host-ironflock_form"
LANGUAGE: Final = "__Host-ironflock_language"
UPSTREAM: Final = "__Host-ironflock_upstream"
NOTICE: Final = "__Host-ironflock_notice"
YEAR_S: Final = 365 * 86_400
NOTICE_LIFE_S: Final = 60
_VALUE: Final = re.compile(r"[A-Za-z0-9_.-]{0,256}", re.ASCII)


@frozen
class Cookie:
    """A cookie to be set; without a life it ends with the browser, with a life of 0 it goes."""

    name: str
    value: str = field(repr=False)
    life_s: int | None = None

    def header(self) -> str:
        """As Set-Cookie says it.

        Raises:
            ValueError: The value could mean something else in a header.
        """
        if _VALUE.fullmatch(self.value) is None:
            raise ValueError(f"{self.name} cannot have this value")
        life = "" if self.life_s is None else f"; Max-Age={self.life_s}"
        return f"{self.name}={self.value}; Path=/; Secure; HttpOnly; SameSite=Lax{life}"


def gone(name: str) -> Cookie:
    """A cookie that shall not be there any more."""
    return Cookie(name, "", 0)


def of_session(new: NewSession) -> tuple[Cookie, ...]:
    """What a browser gets when its person has signed in, or has shown again who they are."""
    session = Cookie(SESSION, new.cookie, BROWSER_LIFE_S)
    known = (Cookie(BROWSER, new.browser, YEAR_S),) if new.browser else ()
    return (session, *known, gone(SIGN_IN))


def of_sign_in(token: str) -> Cookie:
    """What goes on with a sign-in that waits for its second factor."""
    return Cookie(SIGN_IN, token, SIGN_IN_LIFE_S)


def of_form(token: str) -> Cookie:
    """What the forms of a browser are bound to in which nobody is signed in; it goes with the browser."""
    return Cookie(FORM, token)


def of_upstream(token: str) -> Cookie:
    """What knows the browser again that comes back from another provider, or in which a link waits."""
    return Cookie(UPSTREAM, token, OFFER_LIFE_S)


def of_notice(name: str) -> Cookie:
    """What the next page says once; `name` is a key below `notice`."""
    return Cookie(NOTICE, name, NOTICE_LIFE_S)
