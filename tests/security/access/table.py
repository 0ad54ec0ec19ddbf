"""The matrix: which rows there are, what the running platform answers in each cell, and the file that has it.

`python -m tests.security.access.table` starts a platform and writes the file anew.
"""

import shared.service  # noqa: F401, I001 - installs the asyncio reactor and insists on being the first

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from services.gateway.records import Route
from services.gateway.rules.routes import ROUTES
from shared.errors import NotFoundError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM
from shared.procedures import Audience, Declaration
from tests.harness.clients import connect
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import AbortedError, WampError
from tests.security.access import asking
from tests.security.access.cases import OF_AUTHZEN, OF_DEVICES, OF_PEOPLE, PAGES
from tests.security.access.records import Case, Known, Row, Surface, Who
from tests.security.access.scene import RIGHTS, Asker, Scene, opened
from tests.unit.shared.test_every_procedure_is_known import DECLARED, callers

FILE: Final = Path(__file__).parents[1] / "access_matrix.tsv"
COLUMNS: Final = ("surface", "name", "about", "guard", *Who)
CANNOT_JOIN: Final = "cannot_join"
NO_FLAG: Final = "-"
STILL: Final = "still allowed"
TAKES_EFFECT_S: Final = 3.0
PAUSE_S: Final = 0.02
"""Between two looks: without it, asking would take the time of those who tell of the change."""
HEAD: Final = """\
# Who gets what answer: every procedure on the bus, every route of REST and AuthZEN, every page of the gateway.
# Written by `python -m tests.security.access.table` from a running platform; a test asks again and compares.
#
# guard: the flags that it takes, with what they are on, or who else may. Every case is about what is the owner's.
# anonymous: no credential. outsider: an account that has nothing to do with the owner. member: of the project, without
# a flag. flagged: a member with the guard's flags and no other, given for this cell and taken after it. owner: of the
# project and of whatever else is asked for, without a part in running the installation. device: a flashed device of
# the project, by its own session; over HTTPS by its secret. app, board: cannot join before there are apps.
#
# allowed: access is decided for it; what is refused for another reason afterwards (an argument, a state) counts as
# allowed. nothing: answered, without what was asked for. not_found, not_authorized, step_up_required: the service's
# refusal. router: the router's own refusal. 401, 403, 404: REST's, with the code. -: there is no flag for it.
"""


def rows() -> Iterator[Row]:
    """Every row, in the order of the file."""
    for _, declaration in DECLARED:
        yield from (Row(Surface.BUS, declaration.uri, case) for case in cases_of(declaration))
    for route in ROUTES:
        yield from (Row(Surface.REST, name_of(route), case) for case in OF_PEOPLE if asks_for(route, case))
    yield from (Row(Surface.REST, f"POST /access/v1{case.procedure}", case) for case in OF_AUTHZEN)
    yield from (Row(Surface.HTTPS, f"GET {path}", Case(path, "nobody asks")) for path in PAGES)


def cases_of(declaration: Declaration) -> list[Case]:
    """How a procedure is asked; those for services alone are refused before anybody reads their arguments."""
    if declaration.audience is Audience.SERVICES:
        roles = sorted(callers(declaration.uri, SYSTEM_REALM)) or ["router"]
        return [Case(declaration.uri, f"services: {', '.join(role.removeprefix('svc_') for role in roles)}")]
    return [case for case in (*OF_PEOPLE, *OF_DEVICES) if case.procedure == declaration.uri]


def name_of(route: Route) -> str:
    """What a route is called in the matrix."""
    return f"{route.method} {route.template}"


def asks_for(route: Route, case: Case) -> bool:
    """Whether the case can be asked by the route: each of its arguments has a place there."""
    several = {"device"} if route.many in route.query else set[str]()
    places = {*route.path.values(), *route.query, *(route.body or ()), *several}
    return route.procedure == case.procedure and set(case.asks) <= places


def line(row: Row, cells: dict[Who, str]) -> str:
    """A line of the file."""
    return "\t".join([*row.head, *(cells[who] for who in Who)])


def text(lines: list[str]) -> str:
    """The file."""
    return HEAD + "".join(f"{each}\n" for each in ["\t".join(COLUMNS), *lines])


def read() -> list[str]:
    """The lines of the checked-in file, without what stands above them."""
    every = FILE.read_text(encoding="utf-8").splitlines()
    return [each for each in every if not each.startswith("#")][1:]


async def regenerated(platform: RunningPlatform) -> list[str]:
    """What the platform answers, as the lines of the file."""
    await refuse_apps(platform)
    async with opened(platform) as scene:
        return [line(row, await Asking(scene, row).cells()) for row in rows()]


async def refuse_apps(platform: RunningPlatform) -> None:
    """Nobody joins as an app or a board where these procedures are, and nobody without a credential.

    Raises:
        AssertionError: Somebody does.
    """
    for path, realm in (("/ws-ua-usr", "realm1"), ("/ws-ua-usr", "realm-1-1-1-prod"), ("/ws-usr", "realm1")):
        async with await connect(platform, path) as peer:
            try:
                await peer.join_cra(realm, "app", "secret")
            except AbortedError:
                continue
        raise AssertionError(f"somebody joined {realm} by {path}")


class Asking:
    """One row: everybody asks."""

    def __init__(self, scene: Scene, row: Row) -> None:
        """Ask in `scene`."""
        self._scene = scene
        self._row = row
        self._case = row.case
        self._route = next((route for route in ROUTES if name_of(route) == row.name), None)
        self._declarations = {declaration.uri: declaration for _, declaration in DECLARED}

    async def cells(self) -> dict[Who, str]:
        """A word for each; the owner comes last of the people, since some things are used up."""
        is_bus = self._row.surface is Surface.BUS
        found = dict.fromkeys(Who, CANNOT_JOIN)
        if not is_bus:
            found[Who.ANONYMOUS] = await self._once(Who.ANONYMOUS)
        if self._row.surface is Surface.HTTPS:
            found[Who.APP] = found[Who.BOARD] = found[Who.ANONYMOUS]  # a page joins nothing
        found[Who.OUTSIDER] = await self._once(Who.OUTSIDER)
        found[Who.MEMBER] = await self._once(Who.MEMBER)
        found[Who.FLAGGED] = await self._flagged(found[Who.MEMBER]) if self._case.flags else NO_FLAG
        found[Who.OWNER] = await self._once(Who.OWNER)
        found[Who.DEVICE] = await self._once(Who.DEVICE)
        if self._case.undo is not None:
            await self._case.undo(self._scene, self._scene.askers[Who.OWNER])
        return found

    async def _once(self, who: Who) -> str:
        return await self._word(self._scene.askers[who], await self._known(who))

    async def _flagged(self, without: str) -> str:
        """The word with the flags; afterwards it must be the one `without` them again."""
        asker, known = self._scene.askers[Who.FLAGGED], await self._known(Who.FLAGGED)
        if self._case.is_given:
            return await self._until(asking.ALLOWED, asker, known)
        await self._change("grant.give", known)
        word = await self._until(asking.ALLOWED, asker, known)
        try:
            await self._change("grant.take", known)
        except WampError as error:
            if self._case.makes is None or error.uri != NotFoundError.uri:
                raise  # what was made for this cell alone may be gone, and the flags with it
        if self._case.makes is None and await self._until(without, asker, known) != without:
            return STILL
        return word

    async def _until(self, wanted: str, asker: Asker, known: Known) -> str:
        """The word, once what was given or taken is known where it is decided."""
        word = await self._word(asker, known)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TAKES_EFFECT_S
        while word != wanted and loop.time() < deadline:
            await asyncio.sleep(PAUSE_S)
            word = await self._word(asker, known)
        return word

    async def _change(self, verb: str, known: Known) -> None:
        by_kind: dict[AssetKind, list[str]] = {}
        for kind, flag in self._case.flags:
            by_kind.setdefault(kind, []).append(flag)
        for kind, flags in by_kind.items():
            giver = self._scene.first_owner if kind is AssetKind.INSTALLATION else self._scene.owner
            named = {"kind": kind.value, "key": known[kind.value], "account": self._scene.logins[known["flagged"]]}
            await giver.call(f"{RIGHTS}.{verb}", flags=flags, **named)

    async def _known(self, who: Who) -> Known:
        if self._case.makes is None:
            return self._scene.known
        return {**self._scene.known, **await self._case.makes(self._scene, self._scene.askers[who])}

    async def _word(self, asker: Asker, known: Known) -> str:
        word, answer = await self._answer(asker, known)
        is_seen = answer is None or self._case.sees is None or self._case.sees(known, answer)
        return word if is_seen else asking.NOTHING

    async def _answer(self, asker: Asker, known: Known) -> tuple[str, Any]:
        arguments = asking.given(self._case.asks, known)
        if self._row.surface is Surface.HTTPS:
            return await asking.of_page(asker, self._case.procedure)
        if self._route is not None:
            return await asking.by_rest(asker, self._route, arguments, known)
        if self._row.surface is Surface.REST:
            return await asking.by_authzen(asker, self._case.procedure, arguments)
        return await asking.on_bus(asker, self._declarations[self._row.name], arguments)


def write() -> None:
    """Start a platform and write the file."""
    running = RunningPlatform()
    try:
        FILE.write_text(text(asyncio.run(regenerated(running.start()))), encoding="utf-8")
    finally:
        running.stop()


if __name__ == "__main__":
    write()
