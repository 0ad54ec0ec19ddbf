"""Templates into octets: everything that is put in is escaped, and a name that is not there is an error."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.auth.pages import cookies
from services.auth.pages.answers import Page
from services.auth.pages.visits import Visit
from services.auth.pages.wording import Wording, every_wording
from services.auth.records.upstream import UpstreamProvider
from services.auth.rules.programs import program_name

HERE: Final = Path(__file__).parent.parent
STATIC: Final = HERE / "static"
CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Rendering:
    """The templates, with the words of every language."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        installation: str,
        is_sign_up_open: bool,
        places: Iterable[str],
        upstream: Iterable[UpstreamProvider] = (),
    ) -> None:
        """Read them.

        Args:
            now: Gives Unix seconds.
            installation: The host that people know.
            places: The pages that there are.
            upstream: Other providers by which people may sign in.
        """
        self._now = now
        self._wordings = every_wording()
        self.files = static_files()
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            languages={locale: wording.say("language") for locale, wording in self._wordings.items()},
            places=frozenset(places),
            upstream=tuple(upstream),
            static={name: path for path, (name, _) in self.files.items()},
            installation=installation,
            is_sign_up_open=is_sign_up_open,
            program_name=program_name,
        )

    def wording(self, visit: Visit) -> Wording:
        """The words of the visitor's language."""
        return self._wordings[visit.locale]

    def render(self, visit: Visit, page: Page, *, here: str) -> bytes:
        """The page for this visitor; `here` is the page to look at that belongs to it."""
        wording = self.wording(visit)
        now = datetime.fromtimestamp(self._now(), UTC)
        known: dict[str, Any] = {
            "say": wording.say,
            "ago": lambda moment: wording.ago(moment, now),
            "span": wording.span,
            "day": wording.day,
            "locale": visit.locale,
            "path": visit.path,
            "here": here,
            "form_token": visit.form_token,
            "session": visit.session,
            "alert": None if page.refused is None else wording.refusal(page.refused),
            "notice": self.notice(visit, wording),
        }
        return self._templates.get_template(page.template).render({**known, **page.shown}).encode()

    def notice(self, visit: Visit, wording: Wording) -> str | None:
        """What the page before wanted to be said here."""
        key = f"notice.{visit.cookies.get(cookies.NOTICE, '')}"
        return wording.say(key) if wording.has(key) else None


def static_files() -> dict[str, tuple[str, bytes]]:
    """Every file that pages name: its path, which changes with its content; its name and content."""
    found = {}
    for file in sorted(STATIC.iterdir()):
        content = file.read_bytes()
        found[f"/static/{sha256(content).hexdigest()[:16]}/{file.name}"] = (file.name, content)
    return found
