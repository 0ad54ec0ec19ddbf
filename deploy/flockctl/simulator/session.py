"""One session of an agent on an open connection: joining, the first traffic, heartbeats, answers to callers."""

import base64
from collections.abc import Callable, Coroutine
from typing import Any, Final

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from deploy.flockctl.simulator.answers import PROGRESS, Answer, AnswerError, Question, answer, fetching, updated
from deploy.flockctl.simulator.apps import Apps, Said, Wish
from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.lifecycle import Outcome
from deploy.flockctl.simulator.link import Link, LinkLostError, NoReplyError, WampError
from deploy.flockctl.simulator.shells import Shell, Shells
from deploy.flockctl.simulator.strictness import misread
from deploy.flockctl.simulator.traffic import (
    APP_CREDENTIAL,
    APP_STATES,
    CONNECTED,
    METADATA,
    Step,
    first_traffic,
    status_call,
)
from deploy.flockctl.simulator.updating import Fetch, Fetched, newer
from deploy.flockctl.simulator.wire import (
    AGENT_VERSION,
    ALREADY_EXISTS,
    ESTABLISHED,
    HANDLER_ERROR,
    HEARTBEAT_INTERVAL_S,
    MAX_FAILED_HEARTBEATS,
    PROCEDURES,
    SIGNATURE_IS_INVALID,
    STATUS_TIMEOUT_S,
    Message,
    agent_uri,
    authenticate,
    hello,
)

_ABORT_REASON_AT: Final = 2
UPDATE_AGENT: Final = "update_agent"
REQUEST_APP_STATE: Final = "request_app_state"
CONTAINER_TERMINALS: Final = frozenset({"request_terminal_session", "start_terminal_session", "stop_terminal_session"})
ON_UNREGISTER: Final = "wamp.registration.on_unregister"
DEVICE_TERMINAL: Final = "init_device_terminal"
RESIZE: Final = "term_resize."
WRITE: Final = "term_write."
REGISTRY_TOKEN: Final = "reswarm.containers.get_registry_token"  # noqa: S105 - a procedure
UPDATE_APP: Final = "reswarm.containers.update_app_on_device"


class EndedError(Exception):
    """The session ended with `outcome`; the text says more."""

    def __init__(self, outcome: Outcome, detail: str = "") -> None:
        """Remember how it ended."""
        super().__init__(detail)
        self.outcome = outcome


@define
class Memory:
    """What an agent keeps from one session to the next.

    `apps` is what the last successful answer said: an error there never means "no apps"; `placed` is what is on the
    device. `refused` has the last refusal of each step that the agent survives, by the step's name. `version` is the
    agent's, `fetched` the one that runs when it connects the next time.
    """

    flock: Flock
    apps: list[Any] | None = None
    app_cred_key: str | None = None
    reswarm_base_url: str | None = None
    refused: dict[str, str] = field(factory=dict)
    placed: Apps = field(factory=Apps)
    shells: Shells = field(factory=Shells)
    version: str = AGENT_VERSION
    fetched: Fetched | None = None
    has_connected: bool = False


class AgentSession:
    """What happens on one connection."""

    def __init__(self, link: Link, memory: Memory, clock: IReactorTime, now: Callable[[], str], fetch: Fetch) -> None:
        """Speak on `link` for the device of `memory`."""
        self.session_id = 0
        self._link = link
        self._memory = memory
        self._clock = clock
        self._now = now
        self._fetch = fetch
        self._crash = ""

    async def join(self) -> None:
        """Join `realm1` by WAMP-CRA.

        Raises:
            EndedError, NoReplyError, LinkLostError: The router refused; it did not answer; the connection ended.
        """
        self._link.invoked = self._invoked
        self._link.evented = self._evented
        reply = await self._link.join_step(hello(self._memory.flock.authid))
        if reply[0] == Message.CHALLENGE:
            reply = await self._link.join_step(authenticate(self._memory.flock.secret, reply[2]))
        if reply[0] != Message.WELCOME:
            raise EndedError(*_refused_join(reply))
        self.session_id = reply[1]

    async def live(self, online: Callable[[], None]) -> None:
        """Make the first traffic, call `online` when it is through, and report until the connection ends.

        Raises:
            EndedError: Always: how it ended.
        """
        memory = self._memory
        if memory.fetched is not None:
            memory.version, memory.fetched = memory.fetched.version, None
        heartbeat = _spawn(self._heartbeat())
        try:
            for step in first_traffic(memory.flock, is_first=not memory.has_connected, version=memory.version):
                await self._make(step)
            self._memory.has_connected = True
            online()
            reason = await self._link.wait_lost()
        except LinkLostError as error:
            reason = str(error)
        finally:
            heartbeat.cancel()
        if self._crash:
            raise EndedError(Outcome.CRASHED, self._crash)
        raise EndedError(Outcome.CLOSED_BY_ROUTER if self._link.said_goodbye else Outcome.LOST, reason)

    # ---- the first traffic

    async def _make(self, step: Step) -> None:
        try:
            rest = step.build(self._memory.flock, self.session_id)
            reply = await self._link.request(step.kind, *rest, timeout_s=step.timeout_s)
        except (WampError, NoReplyError) as error:
            self._note_refusal(step, error)
            return
        self._memory.refused.pop(step.name, None)
        self._learn(step.name, reply)

    def _note_refusal(self, step: Step, error: WampError | NoReplyError) -> None:
        if step.name == ESTABLISHED and isinstance(error, WampError) and error.uri == ALREADY_EXISTS:
            raise EndedError(Outcome.ALREADY_CONNECTED, str(error)) from error
        if step.ends is not None and not (step.ends_first_only and self._memory.has_connected):
            raise EndedError(step.ends, str(error)) from error
        self._memory.refused[step.name] = str(error)

    def _learn(self, name: str, reply: list[Any]) -> None:
        result = reply[3][0] if len(reply) > 3 and reply[3] else None  # noqa: PLR2004 - RESULT's positional results
        if name == METADATA and isinstance(result, dict):
            self._learn_project(result)
        elif name == APP_CREDENTIAL and isinstance(result, str):
            self._memory.app_cred_key = result
        elif name == APP_STATES:
            self._memory.apps = list(result or [])
            self._take_apps(self._memory.apps)
        elif name == CONNECTED and isinstance(result, dict):
            self._memory.reswarm_base_url = str(result.get("reswarmBaseURL", "<nil>"))

    def _learn_project(self, metadata: dict[str, Any]) -> None:
        moved_to = metadata.get("swarm_key")
        if isinstance(moved_to, int) and moved_to != self._memory.flock.project_key:
            self._memory.flock = evolve(self._memory.flock, project_key=moved_to)
            raise EndedError(Outcome.MOVED, f"the device is in project {moved_to} now")

    async def _heartbeat(self) -> None:
        failed = 0
        while failed < MAX_FAILED_HEARTBEATS:
            await deferLater(self._clock, HEARTBEAT_INTERVAL_S)
            call = status_call(self._memory.flock, self.session_id, CONNECTED)
            try:
                await self._link.request(Message.CALL, *call, timeout_s=STATUS_TIMEOUT_S)
                failed = 0
            except (WampError, NoReplyError) as error:
                failed += 1
                self._memory.refused["heartbeat"] = str(error)
        self._link.drop()

    # ---- answers

    def _invoked(self, invocation: list[Any]) -> None:
        _answering = _spawn(self._answer(invocation))

    async def _answer(self, invocation: list[Any]) -> None:
        _code, request, registration, details, *payload = invocation
        args, kwargs = (payload + [[], {}][len(payload) :])[:2]
        name = self._name_of(registration)
        try:
            await self._allow(name, details, kwargs)
            self._survive(name, payload, args)
            if name == DEVICE_TERMINAL:
                found = await self._open_shell(str(details.get("caller_authid")))
            elif name in CONTAINER_TERMINALS and misread(name, tuple(args)) is None:
                found = await self._of_container(name, str(details.get("caller_authid")), args[0])
            elif name.startswith(RESIZE):
                found = self._resize(name.removeprefix(RESIZE), args)
            else:
                found = await self._done(name, Question(self._memory.flock, tuple(args), kwargs, self._now()))
            wished = self._memory.placed.request(kwargs) if name == REQUEST_APP_STATE else None
        except AnswerError as error:
            self._link.tell([Message.ERROR, Message.INVOCATION, request, {}, HANDLER_ERROR, [{"error": str(error)}]])
            return
        self._link.tell([Message.YIELD, request, {}, *_yielded(found)])
        if wished is not None:
            await self._play(*wished)

    async def _done(self, name: str, question: Question) -> Answer:
        """What it answers once it has done it; of what takes the published agent a while it says how far it is."""
        if name == UPDATE_AGENT and question.flock.update_url:
            self._memory.fetched = (
                await newer(self._fetch, question.flock, self._memory.version) or self._memory.fetched
            )
        fetched = self._memory.fetched if name == UPDATE_AGENT else None
        pieces = PROGRESS.get(name, ()) if fetched is None else fetching(fetched.octets)
        for topic, said in pieces:
            await self._link.request(Message.PUBLISH, {"acknowledge": True}, self._uri(topic), [said])
        return answer(name, question) if fetched is None else updated(self._memory.version, fetched.version)

    # ---- shells

    async def _open_shell(self, caller: str) -> Answer:
        """A shell for `caller`; one that there is already is handed out again, as the agent does."""
        shell, is_new = self._memory.shells.shell(caller)
        uris = {each: self._uri(f"{each}.{shell.name}") for each in ("term_write", "data", "term_resize")}
        known = {*self._link.registrations.values()}
        if is_new or uris["term_resize"] not in known:
            await self._link.request(Message.SUBSCRIBE, {}, uris["term_write"])
            await self._link.request(Message.REGISTER, {}, uris["term_resize"])
        topics = {"writeTopic": uris["term_write"], "dataTopic": uris["data"], "resizeTopic": uris["term_resize"]}
        return Answer(({"sessionID": shell.name, **topics},))

    async def _of_container(self, name: str, caller: str, first: dict[str, Any]) -> Answer:
        """A shell in a container: asked for, then started, then stopped by name."""
        shells = self._memory.shells
        if name == "request_terminal_session":
            made = shells.in_container(caller, first["containerName"])
            words = {"writeTopic": "term_write", "dataTopic": "term_data", "resizeTopic": "term_resize"}
            return Answer(({"sessionID": made.name, **{k: self._uri(f"{v}.{made.which}") for k, v in words.items()}},))
        shell = shells.session(first["sessionID"])
        if shell is None or shell.is_over:
            raise AnswerError("no such terminal session")
        if name == "start_terminal_session":
            shell.alive = first["registrationID"]
            await self._link.request(Message.SUBSCRIBE, {}, self._uri(f"{WRITE}{shell.which}"))
            await self._link.request(Message.REGISTER, {}, self._uri(f"{RESIZE}{shell.which}"))
        else:
            await self._end(shell)
        return Answer()

    async def _end(self, shell: Shell) -> None:
        shell.is_over = True
        await self._print(shell, [])

    def _resize(self, name: str, args: list[Any]) -> Answer:
        shell, size = self._memory.shells.named(name), args[0] if args else None
        if shell is None or not isinstance(size, dict):
            raise AnswerError("failed to parse the size")
        width, height = size.get("width"), size.get("height")
        if type(width) is not int or type(height) is not int:
            raise AnswerError("failed to parse the size")
        shell.size = (width, height)
        return Answer()

    def _evented(self, topic: str, args: list[Any]) -> None:
        if topic == ON_UNREGISTER:  # [session, registration]: what a container's shell lives from
            for over in [each for each in self._memory.shells.inside if each.alive in args[1:] and not each.is_over]:
                _ending = _spawn(self._end(over))
        shell = self._memory.shells.named(topic.removeprefix(self._uri(WRITE)))
        if shell is not None and args and isinstance(args[0], str):
            _telling = _spawn(self._print(shell, shell.typed(args[0])))

    async def _print(self, shell: Shell, printed: list[str]) -> None:
        for text in printed:
            topic = self._uri(f"term_data.{shell.which}" if shell.container else f"data.{shell.name}")
            said = base64.b64encode(text.encode()).decode() if shell.container else text
            try:
                await self._link.request(Message.PUBLISH, {"acknowledge": True}, topic, [said])
            except (WampError, NoReplyError) as error:
                self._memory.refused["shell"] = str(error)
        if shell.is_over:
            uri = self._uri(f"{RESIZE}{shell.which}")
            for registration in [key for key, each in self._link.registrations.items() if each == uri]:
                del self._link.registrations[registration]
                await self._link.request(Message.UNREGISTER, registration)

    def _uri(self, name: str) -> str:
        return agent_uri(self._memory.flock.serial_number, name)

    # ---- apps

    def _take_apps(self, listed: list[Any]) -> None:
        try:
            wished = self._memory.placed.take_list(listed)
        except AnswerError as error:
            self._memory.refused["apps"] = str(error)
            return
        for wish, says in wished:
            _playing = _spawn(self._play(wish, says))

    async def _play(self, wish: Wish, says: list[Said]) -> None:
        """Do what is wished; without a token of the registry, or once a word is refused, no more of it."""
        if not says:
            return
        flock, key = self._memory.flock, f"app {wish.app_key}"
        try:
            await self._link.request(
                Message.CALL, {}, REGISTRY_TOKEN, [{"callerID": wish.requestor}], timeout_s=STATUS_TIMEOUT_S
            )
            for said in says:
                words: dict[str, Any] = {"device_key": flock.device_key, "swarm_key": flock.project_key}
                words |= {"serial_number": flock.serial_number, **self._memory.placed.say(wish, said)}
                await self._link.request(Message.CALL, {}, UPDATE_APP, [words], timeout_s=STATUS_TIMEOUT_S)
        except (WampError, NoReplyError) as error:
            self._memory.refused[key] = str(error)
        else:
            self._memory.refused.pop(key, None)

    def _name_of(self, registration: int) -> str:
        prefix = agent_uri(self._memory.flock.serial_number, "")
        return self._link.registrations.get(registration, "").removeprefix(prefix)

    def _survive(self, name: str, payload: list[Any], args: list[Any]) -> None:
        # The published agent indexes these arguments unchecked where a list came at all, and dies of it.
        declared = PROCEDURES.get(name)
        if declared is not None and payload and len(args) < declared.crashes_below:
            self._crash = f"{name} was called with {len(args)} arguments"
            self._link.drop()
            raise LinkLostError(self._crash)

    async def _allow(self, name: str, details: dict[str, Any], kwargs: dict[str, Any]) -> None:
        declared = PROCEDURES.get(name)
        if declared is None or declared.privilege is None:
            return
        account = _requestor(details, kwargs)
        if account is None:
            return
        wish = {"privilege": declared.privilege, "entity": "DEVICE", "entity_key": self._memory.flock.device_key}
        who = {"requestor_account_key": account, "swarm_key": self._memory.flock.project_key}
        uri = "reswarm.devices.check_privilege"
        try:
            reply = await self._link.request(Message.CALL, {}, uri, [{**wish, **who}], timeout_s=STATUS_TIMEOUT_S)
        except (WampError, NoReplyError) as error:
            raise AnswerError(str(error)) from error
        if len(reply) <= 3 or reply[3] != [True]:  # noqa: PLR2004 - RESULT's positional results
            raise AnswerError(f"insufficient privileges to call {name}")


def _spawn(work: Coroutine[Any, Any, None]) -> Deferred[None]:
    return Deferred.fromCoroutine(work).addErrback(_ends_with_the_link)


def _ends_with_the_link(failure: Failure) -> None:
    failure.trap(CancelledError, LinkLostError)


def _refused_join(abort: list[Any]) -> tuple[Outcome, str]:
    text = str(abort[1].get("message", "")) if isinstance(abort[1], dict) else ""
    if SIGNATURE_IS_INVALID in text:
        return Outcome.SIGNATURE_REFUSED, text
    return Outcome.JOIN_REFUSED, f"{abort[_ABORT_REASON_AT]}: {text}"


def _requestor(details: dict[str, Any], kwargs: dict[str, Any]) -> int | None:
    """The account to check, None where the agent asks nobody: it trusts `system` when no requestor is named."""
    caller: object = details.get("caller_authid")
    if caller == "system":
        caller = kwargs.get("requestor_account_key")
        if caller is None:
            return None
    if not isinstance(caller, int | str) or not str(caller).isdecimal():
        raise AnswerError(f"the caller {caller!r} is no account")
    return int(caller)


def _yielded(found: Answer) -> tuple[Any, ...]:
    if found.kwargs:
        return list(found.args), dict(found.kwargs)
    return (list(found.args),) if found.args else ()
