"""A stand-in agent: connects, lives a session, and comes back, as the published agent does."""

from collections.abc import Callable
from typing import Final

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.lifecycle import Outcome, State, next_step
from deploy.flockctl.simulator.link import Link, LinkLostError, NoReplyError, NotReachedError
from deploy.flockctl.simulator.session import AgentSession, EndedError, Memory
from deploy.flockctl.simulator.surroundings import Surroundings
from deploy.flockctl.simulator.wire import CLOSE_REALM, Message

GOODBYE_TIMEOUT_S: Final = 1.0


@frozen(eq=False)
class Happening:
    """What became of `agent`: its new state, and why."""

    agent: "Agent"
    state: State
    detail: str


class Agent:
    """One device. `state` says where it stands, `memory` what it was told, `outcome` how its last session ended."""

    def __init__(
        self, flock: Flock, around: Surroundings, told: Callable[[Happening], None] = lambda _happening: None
    ) -> None:
        """Prepare the device of `flock`; `told` hears of every change of state."""
        self.memory = Memory(flock)
        self.state = State.OFFLINE
        self.outcome: Outcome | None = None
        self.session_id: int | None = None
        self.ended: Deferred[None] = Deferred()
        self._around = around
        self._told = told
        self._running: Deferred[None] | None = None
        self._link: Link | None = None
        self._stranded: list[Link] = []
        self._waiting: list[Deferred[None]] = []
        self._network_is_cut = False
        self._is_leaving = False
        self._is_killed = False

    def start(self) -> None:
        """Begin to connect, and go on for ever or until an end that the agent does not survive (`ended` fires)."""
        if self._running is None:
            running = Deferred.fromCoroutine(self._run()).addErrback(_is_cancelled)
            self._running = running.addBoth(self._is_over)

    async def stop(self) -> None:
        """Leave the realm, close the connection, and do not come back."""
        self._is_leaving = True
        link = self._link
        if link is not None and self.session_id is not None and not self._network_is_cut:
            link.tell([Message.GOODBYE, {}, CLOSE_REALM])
            await link.wait_lost(GOODBYE_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End as a process that is killed: connections are reset, nothing is said."""
        self._is_killed = True
        self.mend_network()
        if self._link is not None:
            self._link.drop()
        if self._running is not None:
            self._running.cancel()

    def cut_network(self) -> None:
        """Let nothing through any more, without a FIN; the agent notices by its pings, as the real one does."""
        self._network_is_cut = True
        if self._link is not None:
            self._link.cut()

    def mend_network(self) -> None:
        """Let everything through again; the old connection lives on unless one side has given it up."""
        self._network_is_cut = False
        links, self._stranded = [*self._stranded, *([self._link] if self._link else [])], []
        for link in links:
            link.mend()

    async def wait_online(self, timeout_s: float) -> None:
        """Return when the agent is online.

        Raises:
            twisted.internet.defer.TimeoutError: It was not within `timeout_s` seconds.
        """
        if self.state is not State.ONLINE:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting.addTimeout(timeout_s, self._around.clock)

    async def _run(self) -> None:
        times_taken = 0
        while True:
            leave = await self._around.gate.enter()
            try:
                outcome, detail = await self._live_once(leave)
                if self._is_leaving:  # whatever the connection's end looked like
                    outcome, detail = Outcome.LEFT, ""
            finally:
                leave()
                self._forget()
            if self._is_killed:
                return
            self.outcome, step = outcome, next_step(outcome, times_taken)
            times_taken = step.times_taken
            said = f"{outcome.value}: {detail}" if detail else outcome.value
            if step.delay_s is None:
                self._enter(State.ENDED, said)
                return
            self._enter(State.OFFLINE, said)
            await deferLater(self._around.clock, step.delay_s)

    async def _live_once(self, leave: Callable[[], None]) -> tuple[Outcome, str]:
        self._enter(State.CONNECTING)
        try:
            self._link = await self._dial()
            session = AgentSession(self._link, self.memory, self._around.clock, self._around.now, self._around.fetch)
            await session.join()
            self.session_id = session.session_id
            self._enter(State.CONFIGURING)
            await session.live(lambda: self._is_online(leave))
        except NotReachedError as error:
            return Outcome.NOT_REACHED, str(error)
        except NoReplyError as error:
            return Outcome.NO_REPLY, str(error)
        except LinkLostError as error:
            return Outcome.LOST, str(error)
        except EndedError as error:
            return error.outcome, str(error)
        return Outcome.LOST, ""

    async def _dial(self) -> Link:
        if self._network_is_cut:
            raise NotReachedError("the network is cut")
        return await self._around.dial(self.memory.flock.endpoint_url)

    def _is_online(self, leave: Callable[[], None]) -> None:
        leave()
        self._enter(State.ONLINE)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(None)

    def _forget(self) -> None:
        link, self._link, self.session_id = self._link, None, None
        if link is None:
            return
        link.drop()
        if self._network_is_cut:
            self._stranded.append(link)

    def _enter(self, state: State, detail: str = "") -> None:
        self.state = state
        self._told(Happening(self, state, detail))

    def _is_over(self, result: object) -> None:
        if self.state is not State.ENDED:
            self.state = State.OFFLINE
        if isinstance(result, Failure):
            self.ended.errback(result)
        else:
            self.ended.callback(None)


def _is_cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)
