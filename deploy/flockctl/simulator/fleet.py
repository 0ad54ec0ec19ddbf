"""Many stand-in agents in one process."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater

from deploy.flockctl.simulator.agent import Agent, Happening
from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.lifecycle import State
from deploy.flockctl.simulator.surroundings import Surroundings

STARTS_A_SECOND: Final = 200
LEAVING_AT_ONCE: Final = 64  # thousands of GOODBYEs in one instant keep a router from answering anybody's pings


class Fleet:
    """The agents of `flocks`, started one after the other and stopped together."""

    def __init__(
        self, flocks: Iterable[Flock], around: Surroundings, told: Callable[[Happening], None] = lambda _happening: None
    ) -> None:
        """Prepare an agent for each flock; `told` hears of every change of each."""
        self.agents = [Agent(flock, around, self._hear) for flock in flocks]
        self.all_online: Deferred[None] = Deferred()
        self.all_ended: Deferred[None] = Deferred()
        self._around = around
        self._told = told
        self._states: dict[Agent, State] = dict.fromkeys(self.agents, State.OFFLINE)

    @property
    def counts(self) -> Counter[State]:
        """How many agents are in each state."""
        return Counter(self._states.values())

    async def start(self) -> None:
        """Start all agents, at most 200 a second: they would not all be switched on in one instant either."""
        for agent in self.agents:
            agent.start()
            await deferLater(self._around.clock, 1 / STARTS_A_SECOND)

    async def stop(self) -> None:
        """Let every agent leave, some at once; each has a second to do so."""
        places = DeferredSemaphore(LEAVING_AT_ONCE)
        await gatherResults([places.run(agent.stop) for agent in self.agents])

    def _hear(self, happening: Happening) -> None:
        self._states[happening.agent] = happening.state
        self._told(happening)
        states = set(self._states.values())
        if states == {State.ONLINE} and not self.all_online.called:
            self.all_online.callback(None)
        if states == {State.ENDED} and not self.all_ended.called:
            self.all_ended.callback(None)
