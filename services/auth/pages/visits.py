"""A request as it came, and as the pages see it."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from attrs import field, frozen

from services.auth.pages import cookies
from services.auth.records.people import Locale
from services.auth.records.sessions import Session, Source
from services.auth.rules.forgery import form_token, token_matches
from services.auth.rules.return_to import safe_return
from shared.errors import InvalidArgumentError
from shared.identities import Person

MAX_FIELDS: Final = 64
FORM_TYPE: Final = "application/x-www-form-urlencoded"
UNREADABLE: Final = "this request cannot be read"
Fields = Mapping[str, tuple[str, ...]]


@frozen
class Asked:
    """A request as it came; headers by their names in lower case, the first of each."""

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    address: str


@frozen
class Visit:
    """Who asks for which page, with what."""

    path: str
    query: Fields = field(repr=False)
    form: Fields = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)
    source: Source
    locale: Locale
    session: Session | None
    fresh_form_cookie: str | None = field(repr=False)
    """A form cookie that the browser has still to be given, where it has none."""

    @property
    def signed_in(self) -> Session:
        """The session, on pages that ask for one.

        Raises:
            LookupError: The page does not.
        """
        if self.session is None:
            raise LookupError("this page was not marked as one for people who are signed in")
        return self.session

    @property
    def person(self) -> Person:
        """Whose session it is, as procedures know them."""
        return Person(self.signed_in.account_key, 0, self.signed_in.session_id)

    @property
    def return_to(self) -> str:
        """Where this leads, by the form or the query."""
        return safe_return(self.field("return_to") or self.asked("return_to"))

    @property
    def browser(self) -> str | None:
        """The token of a browser in which somebody has signed in before."""
        return self.cookies.get(cookies.BROWSER)

    @property
    def sign_in(self) -> str:
        """The token of a half-done sign-in, if there is one."""
        return self.cookies.get(cookies.SIGN_IN, "")

    @property
    def form_token(self) -> str:
        """What forms of the page carry."""
        return form_token(self._bound_to())

    def is_ours(self) -> bool:
        """Whether the form carries the token of this browser; who has signed in meanwhile may send an older one."""
        token = self.field("form_token")
        is_older = self.session is None or self.path.startswith("/sign-in") or self.path == "/language"
        older = self.cookies.get(cookies.FORM, "") if is_older else ""
        return token_matches(self._bound_to(), token) or token_matches(older, token)

    def field(self, name: str) -> str:
        """A field of the form; empty where it is not there.

        Raises:
            InvalidArgumentError: It is there twice.
        """
        return _one(self.form, name)

    def fields(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may be there more than once."""
        return self.form.get(name, ())

    def asked(self, name: str) -> str:
        """A value of the query; empty where it is not there. Errors as `field`."""
        return _one(self.query, name)

    def _bound_to(self) -> str:
        if self.session is not None:
            return self.cookies.get(cookies.SESSION, "")
        return self.fresh_form_cookie or self.cookies.get(cookies.FORM, "")


def fields_of(text: str) -> Fields:
    """The fields of a query or a form (WHATWG URL, application/x-www-form-urlencoded).

    Raises:
        InvalidArgumentError: It is none, or has too many.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:  # also what is no UTF-8
        raise InvalidArgumentError(UNREADABLE) from error
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        found[name] = (*found.get(name, ()), value)
    return found


def form_of(asked: Asked) -> Fields:
    """The form that was sent. Errors as `fields_of`."""
    if asked.method != "POST" or not asked.body:
        return {}
    if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise InvalidArgumentError(UNREADABLE)
    try:
        return fields_of(asked.body.decode("ascii"))
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(UNREADABLE) from error


def _one(fields: Fields, name: str) -> str:
    values = fields.get(name, ("",))
    if len(values) != 1 or "\0" in values[0]:
        raise InvalidArgumentError(UNREADABLE)
    return values[0]
