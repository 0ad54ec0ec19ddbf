"""The whole site, put together."""

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from services.auth.pages.account import AccountPages
from services.auth.pages.api_keys import ApiKeyPages
from services.auth.pages.coming import ComingPages
from services.auth.pages.desk import Desk
from services.auth.pages.factors import FactorPages
from services.auth.pages.front import Front
from services.auth.pages.leaving import LeavingPages
from services.auth.pages.own_data import OwnDataPages
from services.auth.pages.passkeys import PasskeyPages
from services.auth.pages.recovery import RecoveryPages
from services.auth.pages.rendering import Rendering
from services.auth.pages.routes import Route
from services.auth.pages.sessions import SessionPages
from services.auth.pages.sign_in import SignInPages
from services.auth.pages.site import Root
from services.auth.pages.step_up import StepUpPages


def routes_of(desk: Desk) -> list[Route]:
    """Every page."""
    surfaces = (
        SignInPages(desk),
        StepUpPages(desk),
        ComingPages(desk),
        RecoveryPages(desk),
        LeavingPages(desk),
        AccountPages(desk),
        FactorPages(desk),
        PasskeyPages(desk),
        SessionPages(desk),
        ApiKeyPages(desk),
        OwnDataPages(desk),
    )
    return [route for surface in surfaces for route in surface.routes()]


def front_of(desk: Desk, now: Callable[[], float], *, origin: str, is_sign_up_open: bool) -> Front:
    """Every page, behind one door; `now` gives Unix seconds."""
    routes = routes_of(desk)
    rendering = Rendering(
        now,
        installation=urlsplit(origin).netloc,
        is_sign_up_open=is_sign_up_open,
        places=places_of(routes),
    )
    return Front(routes, desk.people.sessions, desk.people.step_up, rendering, origin=origin)


def places_of(routes: Iterable[Route]) -> set[str]:
    """The pages that can be looked at."""
    return {route.path for route in routes if route.method == "GET"}


def site_of(front: Front, *, origin: str) -> Root:
    """The site as a listener serves it; what is put beside the pages answers below its own first segment."""
    return Root(front, front.files, host=urlsplit(origin).netloc)
