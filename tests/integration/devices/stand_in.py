"""A stand-in agent on the router in memory: strict as the published one, and it dies of what that one dies of."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallResult

from deploy.flockctl.simulator.answers import AnswerError, Question, answer
from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.wire import HANDLER_ERROR, PROCEDURES, agent_uri
from shared.procedures import declared, public_errors
from tests.integration.devices.world import World
from tests.unit.shared.memory_router import call_details

CHECK = "reswarm.devices.check_privilege"
NOW = "2026-11-30T07:00:00Z"


class StandIn:
    """The agent of one device of project 3, connected."""

    def __init__(self, world: World, device_key: int, serial_number: UUID) -> None:
        """Serve all that an agent serves."""
        self.heard: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.is_dead = False
        self.instead: dict[str, Callable[[], Any]] = {}
        """What a procedure answers in the place of what it would."""
        self._world = world
        self._device_key = device_key
        self._flock = Flock(3, device_key, str(serial_number), "secret", "wss://localhost/ws-re-dev", "press-1")
        self._uris = {name: agent_uri(str(serial_number), name) for name in PROCEDURES}
        world.router.answers.update({uri: self._answering(name) for name, uri in self._uris.items()})

    def leave(self) -> None:
        """Be away."""
        for uri in self._uris.values():
            del self._world.router.answers[uri]

    def names(self) -> list[str]:
        """What was called, in order."""
        return [name for name, _, _ in self.heard]

    def _answering(self, name: str) -> Callable[..., Any]:
        async def answered(*args: Any, **kwargs: Any) -> Any:
            self.heard.append((name, args, kwargs))
            if len(args) < PROCEDURES[name].crashes_below:
                self.is_dead = True
            json.dumps([args, kwargs], allow_nan=False)
            if name in self.instead:
                return self.instead[name]()
            try:
                await self._allow(name, kwargs)
                found = answer(name, Question(self._flock, args, kwargs, NOW))
            except AnswerError as error:
                raise ApplicationError(HANDLER_ERROR, {"error": str(error)}) from error
            if len(found.args) == 1 and not found.kwargs:
                return found.args[0]
            return CallResult(*found.args, **found.kwargs) if found.args or found.kwargs else None

        return answered

    async def _allow(self, name: str, kwargs: dict[str, Any]) -> None:
        """Ask as the agent asks, about the person whom the call names; without one, anything would be allowed."""
        privilege = PROCEDURES[name].privilege
        if privilege is None:
            return
        wish = {"privilege": privilege, "entity": "DEVICE", "entity_key": self._device_key, "swarm_key": 3}
        found = {declaration.uri: (declaration, method) for declaration, method in declared(self._world.agents)}
        details = call_details("device", f"3-{self._device_key}")
        who = {"requestor_account_key": kwargs["requestor_account_key"]}
        if not await public_errors(*found[CHECK], None)({**wish, **who}, details=details):
            raise AnswerError(f"insufficient privileges to call {name}")
