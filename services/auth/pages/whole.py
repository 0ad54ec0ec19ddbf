"""The whole site, put together."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from services.auth.pages.account import AccountPages
from services.auth.pages.api_keys import ApiKeyPages
from services.auth.pages.applications import ApplicationPages
from services.auth.pages.authorization import AuthorizationPages
from services.auth.pages.coming import ComingPages
from services.auth.pages.desk import Desk
from services.auth.pages.devices import DevicePages
from services.auth.pages.ending import EndingPages
from services.auth.pages.factors import FactorPages
from services.auth.pages.front import Front
from services.auth.pages.leaving import LeavingPages
from services.auth.pages.own_data import OwnDataPages
from services.auth.pages.passkeys import PasskeyPages
from services.auth.pages.programs import Programs, Spawn, endpoints_of, endpoints_of_upstream
from services.auth.pages.recovery import RecoveryPages
from services.auth.pages.rendering import Rendering
from services.auth.pages.routes import Route
from services.auth.pages.sessions import SessionPages
from services.auth.pages.sign_in import SignInPages
from services.auth.pages.site import Root
from services.auth.pages.step_up import StepUpPages
from services.auth.pages.upstream import UpstreamPages
from services.auth.provider.whole import Provider
from services.auth.upstream.whole import Upstream


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
        ApplicationPages(desk),
        AuthorizationPages(desk),
        DevicePages(desk),
        EndingPages(desk),
        UpstreamPages(desk),
    )
    return [route for surface in surfaces for route in surface.routes()]


def front_of(desk: Desk, *, origin: str, is_sign_up_open: bool) -> Front:
    """Every page, behind one door."""
    routes = routes_of(desk)
    rendering = Rendering(
        desk.now,
        installation=urlsplit(origin).netloc,
        is_sign_up_open=is_sign_up_open,
        places=places_of(routes),
        upstream=desk.upstream.providers.values(),
    )
    return Front(routes, desk.people.sessions, desk.people.step_up, rendering, origin=origin)


def places_of(routes: Iterable[Route]) -> set[str]:
    """The pages that can be looked at."""
    return {route.path for route in routes if route.method == "GET"}


def site_of(front: Front, provider: Provider, upstream: Upstream, spawn: Spawn, *, origin: str) -> Root:
    """The site as a listener serves it: pages for people, endpoints for programs; `spawn` runs what answers."""
    programs = Programs({**endpoints_of(provider), **endpoints_of_upstream(upstream)}, spawn)
    return Root(front, programs, spawn, host=urlsplit(origin).netloc)
