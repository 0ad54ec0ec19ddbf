"""Telling agents what is wanted of their apps: an order for each app, written with the wish, until the agent took it.

An order names an app, not a wish: what is told is the wish as it stands then. A process that told an older one than
stands by now tells again, so that whatever overtakes what, the newest wish is told last. Agents that are not there are
told when they are; they ask for everything themselves as soon as they connect.

An agent that does not answer holds up nobody: each is told one thing at a time, each project has its places, and of
these devices that were silent get half.
"""

from typing import Any, Final, Protocol
from uuid import UUID

import structlog

from services.devices.apps.environments import Environments
from services.devices.apps.releases import Releases
from services.devices.at_once import AtOnce
from services.devices.records.apps import AppOnDevice, AppOrder, Places
from services.devices.records.devices import Device
from services.devices.rules import apps as app_rules
from services.devices.store import app_states as store
from services.devices.store import apps
from services.devices.store.devices import device_find
from shared.database import Connection, Database
from shared.errors import OutcomeUnknownError, PublicError, UnavailableError
from shared.nudge import Nudge

LOOK_EVERY_S: Final = 1.0
MOST_S: Final = 60.0
PLACES: Final = Places(in_all=100, of_project=10, of_slow=5)
CALL_S: Final = 10.0
LIST_OVERTAKES_S: Final = 2.0
"""For how long the answer to an agent's question for all of its apps may be on its way, by another process."""
TAKEN_FOR_S: Final = 20.0
MAX_REFUSAL: Final = 300
TOLD_BY: Final = "request_app_state"
DEVICE_OFFLINE: Final = "device_offline"

log = structlog.get_logger()


class Agents(Protocol):
    """What agents are asked here; `AgentCalls` does it."""

    async def ask(
        self,
        device: Device,
        procedure: str,
        account_key: int,
        *,
        named: dict[str, Any],
        time_limit_s: float,
    ) -> object:
        """Have the agent do `procedure` with the arguments `named`; errors as `AgentCalls.ask` has them."""


class AppDelivery:
    """Tells what is due."""

    def __init__(
        self, database: Database, agents: Agents, environments: Environments, releases: Releases, process: UUID
    ) -> None:
        """Tell `agents` what `database` has; `environments` opens what is sealed. `process` is which one this is."""
        self.process = process
        self._releases = releases
        self._environments = environments
        self._database = database
        self._agents = agents
        self._nudge = Nudge()

    def wake(self) -> None:
        """Something was written: let it be told now."""
        self._nudge.give()

    async def keep_up(self) -> None:
        """Wait until something may be due, a second at most, and tell all that is."""
        await self._nudge.wait(LOOK_EVERY_S)
        async with AtOnce(self._tell, self._nudge) as told:
            await self._begin(told)
            while told.under_way:
                await told.one_ends(LOOK_EVERY_S)
                await self._begin(told)

    async def _begin(self, told: AtOnce[AppOrder]) -> None:
        while len(told.under_way) < PLACES.in_all:
            async with self._database.transaction() as connection:
                taken = await store.order_take(connection, told.under_way, PLACES, for_s=TAKEN_FOR_S)
            if not taken:
                return
            told.begin(taken)

    async def _tell(self, order: AppOrder) -> None:
        found = await self._database.run(lambda connection: _about(connection, order))
        if found is None:
            await self._database.run(lambda connection: store.order_drop(connection, order))
            return
        app, device, cancels = found
        try:
            variables = await self._environments.opened(app)
            wish = app_rules.wish(app, device, variables, await self._releases.of(app), cancels=cancels)
            requestor = wish["requestor_account_key"]
            await self._agents.ask(device, TOLD_BY, requestor, named=wish, time_limit_s=CALL_S)
        except PublicError as error:
            refusal = None if _is_away(error) else str(error)[:MAX_REFUSAL]
            if refusal is not None:
                log.warning("app_wish_refused", device_key=order.device_key, app_key=order.app_key, reason=refusal)
            await self._postpone(order, refusal)
        except Exception:  # one order that cannot be told keeps no other from being told
            log.exception("app_wish_failed", device_key=order.device_key, app_key=order.app_key)
            await self._postpone(order, None)
        else:
            await self._done(order, app)

    async def _postpone(self, order: AppOrder, refusal: str | None) -> None:
        await self._database.run(
            lambda connection: store.order_postpone(connection, order, refusal=refusal, most_s=MOST_S)
        )

    async def _done(self, order: AppOrder, told: AppOnDevice) -> None:
        async with self._database.transaction() as connection:
            app = await store.state_lock_in_txn(connection, order.device_key, order.app_key, order.stage)
            if app is None:
                return
            if app_rules.is_deaf(told) and not order.cancels:
                await store.order_postpone(connection, order, refusal=None, most_s=MOST_S)
                return
            await store.order_done(connection, order, told.revision, process=self.process, again_s=LIST_OVERTAKES_S)
            found = await store.state_find(connection, order.device_key, order.app_key, order.stage)
            if found is not None and app_rules.is_gone(found):
                # It was not there, and is not to be: the agent says no more.
                await apps.app_delete(connection, order.device_key, order.app_key, order.stage)


def _is_away(error: PublicError) -> bool:
    """Whether the agent has not heard it, or nobody knows: nothing that the agent has against it."""
    return isinstance(error, OutcomeUnknownError | UnavailableError) or error.details().get("reason") == DEVICE_OFFLINE


async def _about(connection: Connection, order: AppOrder) -> tuple[AppOnDevice, Device, bool] | None:
    app = await store.state_find(connection, order.device_key, order.app_key, order.stage)
    device = await device_find(connection, order.device_key)
    if app is None or device is None or not app_rules.is_complete(app):
        return None
    return app, device, await store.order_cancels(connection, order)
