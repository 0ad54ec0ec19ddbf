"""What a page is answered with, before it becomes octets."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from services.auth.pages.cookies import Cookie
from services.auth.rules.return_to import leads_to_client
from shared.errors import PublicError


@frozen
class Page:
    """A template with what it shows; `refused` is said at its top and gives the status."""

    template: str
    shown: Mapping[str, Any] = field(factory=dict, repr=False)
    refused: PublicError | None = None
    cookies: tuple[Cookie, ...] = ()


@frozen
class Redirect:
    """Go on there, by GET (303)."""

    to: str
    cookies: tuple[Cookie, ...] = ()


@frozen
class Document:
    """Something that is no page: JSON for a script of ours, or a file to be saved under `filename`."""

    content: bytes = field(repr=False)
    content_type: str
    filename: str | None = None


Answer = Page | Redirect | Document


def onward(return_to: str, *cookies: Cookie) -> Answer:
    """Go on to where a sign-in leads.

    Where that is another site, by a page of ours: browsers hold `form-action` against every redirect after a form.
    """
    if leads_to_client(return_to):
        return Page("onward.html", {"to": return_to}, cookies=cookies)
    return Redirect(return_to, cookies)
