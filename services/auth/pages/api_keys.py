"""A person's API keys: made, rotated, revoked. The text of a key is in one answer alone."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from services.auth.records.api_keys import OVERLAP_S, ApiKeyView, CreateApiKey, EndApiKey, NewApiKey, RotateApiKey
from shared.errors import InvalidArgumentError, NotFoundError, PublicError

LIST: Final = "/account/api-keys"
LIVES_DAYS: Final = ("7", "30", "90", "365")
USUAL_LIFE: Final = "90"
ACCESSES: Final = ("all", "read")


class ApiKeyPages:
    """Keys for programs that act as their person."""

    def __init__(self, desk: Desk) -> None:
        """Made of what lies on `desk`."""
        self._desk = desk
        self._keys = desk.people.api_keys

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get(LIST, self.show, Access.SIGNED_IN),
            get(f"{LIST}/create", self.show_create, Access.FRESH),
            post(f"{LIST}/create", self.create, Access.FRESH),
            get(f"{LIST}/rotate", self.show_rotate, Access.FRESH),
            post(f"{LIST}/rotate", self.rotate, Access.FRESH),
            get(f"{LIST}/revoke", self.show_revoke, Access.SIGNED_IN),
            post(f"{LIST}/revoke", self.revoke, Access.SIGNED_IN),
        )

    async def show(self, visit: Visit) -> Answer:
        """All that open, and those that have ended lately."""
        keys = await self._keys.of(visit.person, None)
        now = self._now()
        return Page("api_keys.html", {"me": await self._desk.me(visit), "keys": keys, "now": now})

    async def show_create(self, visit: Visit) -> Answer:
        """Name, reach and life of a new one."""
        return await self._form(visit)

    async def create(self, visit: Visit) -> Answer:
        """The key, shown this once."""
        try:
            scopes = scopes_wanted(visit.field("scope"), visit.field("projects"))
            ends_at = self._now() + timedelta(days=days_wanted(visit.field("life")))
            new = await self._keys.create(visit.person, CreateApiKey(visit.field("name"), scopes, ends_at))
        except SAID_ON_THE_FORM as error:
            return await self._form(visit, error)
        return await self._shown(visit, new)

    async def show_rotate(self, visit: Visit) -> Answer:
        """Is it meant."""
        return await self._one(visit, "api_key_rotate.html")

    async def rotate(self, visit: Visit) -> Answer:
        """The key that follows, shown this once; the one before ends a day later."""
        try:
            new = await self._keys.rotate(visit.person, RotateApiKey(_named(visit)))
        except SAID_ON_THE_FORM as error:
            return await self._one(visit, "api_key_rotate.html", error)
        return await self._shown(visit, new, overlap_s=OVERLAP_S)

    async def show_revoke(self, visit: Visit) -> Answer:
        """Is it meant."""
        return await self._one(visit, "api_key_revoke.html")

    async def revoke(self, visit: Visit) -> Answer:
        """It opens nothing any more; one that has ended meanwhile is what was wanted."""
        try:
            await self._keys.end(visit.person, EndApiKey(_named(visit)))
        except NotFoundError:
            return Redirect(LIST)
        return Redirect(LIST, (of_notice("key_revoked"),))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._desk.now(), UTC)

    async def _shown(self, visit: Visit, new: NewApiKey, *, overlap_s: int = 0) -> Answer:
        me = await self._desk.me(visit)
        return Page("api_key_shown.html", {"me": me, "key": new.key, "overlap_s": overlap_s})

    async def _form(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        shown = {
            "me": await self._desk.me(visit),
            "name": visit.field("name"),
            "scope": visit.field("scope") or ACCESSES[0],
            "projects": visit.field("projects"),
            "life": visit.field("life") or USUAL_LIFE,
            "accesses": ACCESSES,
            "lives": LIVES_DAYS,
        }
        return Page("api_key_create.html", shown, refused)

    async def _one(self, visit: Visit, template: str, refused: PublicError | None = None) -> Answer:
        keys = await self._keys.of(visit.person, None)
        return Page(template, {"me": await self._desk.me(visit), "key": _of(keys, _named(visit))}, refused)


def scopes_wanted(access: str, projects: str) -> list[str]:
    """The scopes that a form asks for: `access` everywhere, or in each of `projects`, numbers with commas between."""
    numbers = [number.strip() for number in projects.split(",") if number.strip()]
    return [f"{access}@project/{number}" for number in numbers] or [access]


def days_wanted(life: str) -> int:
    """How many days a key shall live.

    Raises:
        InvalidArgumentError: It is none of those that can be chosen.
    """
    if life not in LIVES_DAYS:
        raise InvalidArgumentError("choose when the key ends", argument="ends_at")
    return int(life)


def _named(visit: Visit) -> str:
    return visit.field("key") or visit.asked("key")


def _of(keys: list[ApiKeyView], key_id: str) -> ApiKeyView:
    found = next((each for each in keys if each.key_id == key_id and each.ended_at is None), None)
    if found is None:
        raise NotFoundError("you have no such API key, or it has ended")
    return found
