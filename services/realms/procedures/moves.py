"""Moves of projects to other clusters, for whoever has `PLACE` on the installation, and for fleetdb."""

from services.realms.assembly import Parts
from services.realms.records.moves import (
    CreateMove,
    DueMoves,
    GiveUpBackend,
    ListMoves,
    Move,
    MoveList,
    NameMove,
    SwitchBackend,
)
from shared.errors import NotAuthorizedError
from shared.identities import Person, ServiceIdentity
from shared.procedures import NoArguments, for_people, for_services


class MoveProcedures:
    """Realms' procedures about moves."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._placing = parts.placing
        self._moving = parts.moving

    @for_people("ironflock.realms.move.create", CreateMove)
    async def move_create(self, person: Person, request: CreateMove) -> Move:
        """Have a project's data brought to another database server; it is worked with meanwhile."""
        await self._placing.require(person)
        return await self._moving.move_create(person, request)

    @for_people("ironflock.realms.move.list", ListMoves, is_reading=True)
    async def move_list(self, person: Person, request: ListMoves) -> MoveList:
        """Moves of a project, or those that are under way, and how far their backends are."""
        await self._placing.require(person)
        return MoveList(await self._moving.move_list(request.project))

    @for_people("ironflock.realms.move.abandon", NameMove)
    async def move_abandon(self, person: Person, request: NameMove) -> Move:
        """Leave what was not moved yet where it is."""
        await self._placing.require(person)
        return await self._moving.move_abandon(person, request.move_key)

    @for_services("ironflock.realms.move.due")
    async def move_due(self, service: ServiceIdentity, _: NoArguments) -> DueMoves:
        """What fleetdb is to carry over."""
        _only_fleetdb(service)
        return DueMoves(await self._moving.due())

    @for_services("ironflock.realms.move.switch", SwitchBackend)
    async def move_switch(self, service: ServiceIdentity, request: SwitchBackend) -> None:
        """A backend is on the other cluster now, with every row."""
        _only_fleetdb(service)
        await self._moving.switch(request)

    @for_services("ironflock.realms.move.give_up", GiveUpBackend)
    async def move_give_up(self, service: ServiceIdentity, request: GiveUpBackend) -> None:
        """A backend could not be carried over."""
        _only_fleetdb(service)
        await self._moving.give_up(request)


def _only_fleetdb(service: ServiceIdentity) -> None:
    if service.name != "fleetdb":
        raise NotAuthorizedError("this procedure is not for you")
