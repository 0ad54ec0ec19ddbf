"""API keys of the person: listed, made (shown once), rotated, revoked."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.auth.pages.answers import Answer, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.desk import SAID_ON_THE_FORM, Desk
from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.visits import Visit
from services.auth.pages.wording import Wording
from services.auth.records.api_keys import OVERLAP_S, ApiKeyView, CreateApiKey, EndApiKey, ListApiKeys, RotateApiKey
from shared.errors import InvalidArgumentError, NotFoundError, PublicError

HERE: Final = "/account/api-keys"
DAYS: Final = ("7", "30", "90", "365")


class ApiKeyPages:
    """The keys."""

    def __init__(self, desk: Desk, now: Callable[[], float]) -> None:
        """Made of what lies on `desk`; `now` gives Unix seconds."""
        self._desk = desk
        self._keys = desk.api_keys
        self._now = now

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        return (
            get(HERE, self.show, Access.SIGNED_IN),
            get(f"{HERE}/create", self.show_create, Access.FRESH),
            post(f"{HERE}/create", self.create, Access.FRESH),
            get(f"{HERE}/rotate", self.show_rotate, Access.FRESH),
            post(f"{HERE}/rotate", self.rotate, Access.FRESH),
            get(f"{HERE}/revoke", self.show_revoke, Access.SIGNED_IN),
            post(f"{HERE}/revoke", self.revoke, Access.SIGNED_IN),
        )

    async def show(self, visit: Visit) -> Answer:
        """All of them."""
        return Page("api_keys.html", {"me": await self._desk.me(visit), "api_keys": await self._all(visit)})

    async def show_create(self, visit: Visit) -> Answer:
        """The form."""
        return self._form(visit)

    async def create(self, visit: Visit) -> Answer:
        """A new key, shown this once."""
        try:
            request = CreateApiKey(visit.field("name"), scopes_of_form(visit), ends_at=self._end(visit.field("days")))
            new = await self._keys.api_key_create(visit.person, request)
        except SAID_ON_THE_FORM as error:
            return self._form(visit, error)
        return Page("api_key_shown.html", {"new": new, "overlap": ""})

    async def show_rotate(self, visit: Visit) -> Answer:
        """What will happen, and a button."""
        return Page("api_key_rotate.html", self._named(await self._one(visit, visit.asked("key_id"))))

    async def rotate(self, visit: Visit) -> Answer:
        """A new key in place of an old one, shown this once."""
        key = await self._one(visit, visit.field("key_id"))
        new = await self._keys.api_key_rotate(visit.person, RotateApiKey(key.key_id))
        return Page("api_key_shown.html", {"new": new, "overlap": Wording(visit.locale).span(OVERLAP_S)})

    async def show_revoke(self, visit: Visit) -> Answer:
        """What will happen, and a button."""
        return Page("api_key_revoke.html", self._named(await self._one(visit, visit.asked("key_id"))))

    async def revoke(self, visit: Visit) -> Answer:
        """A key opens nothing any more."""
        key = await self._one(visit, visit.field("key_id"))
        await self._keys.api_key_end(visit.person, EndApiKey(key.key_id))
        return Redirect(HERE, (of_notice("key_revoked"),))

    async def _all(self, visit: Visit) -> list[ApiKeyView]:
        found: list[ApiKeyView] = (await self._keys.api_key_list(visit.person, ListApiKeys())).api_keys
        return found

    async def _one(self, visit: Visit, key_id: str) -> ApiKeyView:
        for key in await self._all(visit):
            if key.key_id == key_id and key.ended_at is None:
                return key
        raise NotFoundError("there is no such API key, or it has ended")

    def _named(self, key: ApiKeyView) -> dict[str, Any]:
        return {"key_id": key.key_id, "name": key.name}

    def _end(self, days: str) -> datetime:
        if days not in DAYS:
            raise InvalidArgumentError("say for how many days", argument="ends_at")
        return datetime.fromtimestamp(self._now(), UTC) + timedelta(days=int(days))

    def _form(self, visit: Visit, refused: PublicError | None = None) -> Answer:
        shown = {
            "name": visit.field("name"),
            "access": visit.field("access") or "all",
            "projects": visit.field("projects"),
            "days": visit.field("days") or "90",
        }
        return Page("api_key_create.html", shown, refused)


def scopes_of_form(visit: Visit) -> list[str]:
    """`access`, narrowed to each project that was named, with blanks or commas between."""
    access, projects = visit.field("access"), visit.field("projects").replace(",", " ").split()
    return [f"{access}@project/{project}" for project in projects] or [access]
