"""The stand-in agent against a router that plays its part: what it sends, in which order, how it takes answers."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from attrs import evolve
from twisted.internet._resolver import HostResolution
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from deploy.flockctl.simulator.agent import Agent
from deploy.flockctl.simulator.fleet import Fleet
from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.lifecycle import Outcome, State
from deploy.flockctl.simulator.surroundings import surroundings
from deploy.flockctl.simulator.wire import PROCEDURES, ROLES
from tests.integration.flockctl.certificates import Certificates
from tests.integration.flockctl.fake_router import CALL, HELLO, REGISTER, SUBSCRIBE, FakeRouter, Never, RefusedError
from tests.integration.flockctl.quick_clock import QuickClock
from tests.integration.flockctl.reactor_thread import reactor, wait

SERIAL = "11111111-2222-4333-8444-555555555555"
SECRET = "s3cret-dev"
UNAVAILABLE = "ironflock.error.unavailable"


def flock_for(router: FakeRouter, device_key: int = 7) -> Flock:
    return Flock(
        project_key=3,
        device_key=device_key,
        serial_number=SERIAL.replace("5555", f"{device_key:04}"),
        secret=SECRET,
        endpoint_url=f"wss://localhost:{router.port}/ws-re-dev",
        name=f"press-{device_key}",
    )


def serve_devices(router: FakeRouter) -> None:
    """The platform's procedures as an agent expects them."""
    metadata = {"device_name": "press", "swarm_name": "plant", "ownername": "owner", "swarm_key": 3}
    router.script.secrets = {f"3-{key}": SECRET for key in range(1, 100)}
    router.script.procedures = {
        "wamp.session.add_testament": lambda *_: None,
        "reswarm.devices.read_device_metadata": lambda _: metadata,
        "reswarm.devices.get_app_cred_key": lambda: "Y3JlZA==",
        "reswarm.devices.update_device_status": lambda _: {"reswarmBaseURL": "https://localhost"},
        "reswarm.devices.update_device_architecture": lambda _: None,
        "reswarm.devices.check_privilege": lambda _: True,
    }
    router.script.refuses = {
        "reswarm.containers.get_requested_app_states": RefusedError("ironflock.error.not_supported", "no apps yet")
    }


@pytest.fixture
def agent(router: FakeRouter, certificates: Certificates) -> Iterator[Agent]:
    serve_devices(router)
    made = Agent(flock_for(router), surroundings(reactor, certificates.ca, clock=QuickClock(reactor)))
    yield made

    async def end() -> None:
        made.kill()

    wait(end())


def on_reactor(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    wait(scenario(), timeout_s=60)


def sent(router: FakeRouter) -> list[str]:
    """What the agent sent after it had joined, shortly."""
    words = {REGISTER: 3, SUBSCRIBE: 3, CALL: 3}
    return [message[words[message[0]]] for message in router.script.session.received if message[0] in words]


def test_hello_and_upgrade_are_those_of_the_published_agent(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)

    on_reactor(scenario)

    [headers] = router.script.headers
    assert router.script.offered == [["wamp.2.json", "wamp.2.cbor", "wamp.2.msgpack"]]
    assert headers["user-agent"] == "Go-http-client/1.1"
    assert not {"origin", "cookie", "sec-websocket-extensions"} & set(headers)
    assert router.script.session.received[0] == [
        HELLO,
        "realm1",
        {"authid": "3-7", "authmethods": ["wampcra"], "roles": ROLES},
    ]


def test_an_agent_that_is_killed_while_it_looks_a_name_up_is_over(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        agent.kill()
        await agent.ended.addTimeout(30, reactor)

    on_reactor(scenario)

    assert agent.state is State.OFFLINE


@implementer(IHostnameResolver)
class NoNames:
    """Knows no name, the first time."""

    def __init__(self) -> None:
        """Take the place of the reactor's own."""
        self.own = reactor.installNameResolver(self)

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, hostName: str, *_: Any, **__: Any
    ) -> IHostResolution:
        """There is no such name."""
        reactor.installNameResolver(self.own)
        resolution = HostResolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        resolutionReceiver.resolutionComplete()
        return resolution


def test_a_name_that_nobody_knows_is_looked_up_again(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        NoNames()
        agent.start()
        assert agent.outcome is Outcome.NOT_REACHED
        await agent.wait_online(200)

    on_reactor(scenario)


def test_the_first_traffic_comes_in_the_agents_order(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)

    on_reactor(scenario)

    words = sent(router)
    base = f"re.mgmt.{agent.memory.flock.serial_number}."
    assert words[:7] == [
        f"{base}wamp_connection_established",
        "reswarm.device.%d.list/ondestroy",
        "wamp.session.add_testament",
        "wamp.registration.on_unregister",
        "reswarm.devices.read_device_metadata",
        "reswarm.devices.get_app_cred_key",
        "reswarm.devices.update_device_status",
    ]
    assert sorted(words[7:-5]) == sorted(base + name for name in PROCEDURES)
    assert words[-5:] == [
        "reswarm.devices.update_device_architecture",
        "wamp.subscription.on_create",
        "wamp.subscription.on_delete",
        "reswarm.containers.get_requested_app_states",
        "reswarm.devices.update_device_status",
    ]


def test_only_the_first_registration_waits_its_turn(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)

    on_reactor(scenario)

    options = [message[2] for message in router.script.session.received if message[0] == REGISTER]
    assert options[0] == {}
    assert all(each == {"force_reregister": True} for each in options[1:])


def test_an_error_for_app_states_is_never_taken_for_no_apps(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)

    on_reactor(scenario)

    assert agent.memory.apps is None
    assert list(agent.memory.refused) == ["get_requested_app_states"]
    assert agent.memory.app_cred_key == "Y3JlZA=="
    assert agent.memory.reswarm_base_url == "https://localhost"


def test_the_published_signature_text_ends_the_agent(router: FakeRouter, agent: Agent) -> None:
    router.script.secrets = {}
    router.script.abort_authenticate = ("wamp.error.not_authorized", "WAMP-CRA client signature is invalid")

    async def scenario() -> None:
        agent.start()
        await agent.ended

    on_reactor(scenario)

    assert (agent.state, agent.outcome) == (State.ENDED, Outcome.SIGNATURE_REFUSED)
    assert len(router.script.sessions) == 1


@pytest.mark.parametrize("where", ["hello", "authenticate"])
def test_any_other_refusal_is_retried_each_second(router: FakeRouter, agent: Agent, where: str) -> None:
    secrets = router.script.secrets
    if where == "hello":
        router.script.abort_hello = ("wamp.error.no_such_principal", "unknown")
    else:
        router.script.secrets = {}

    async def scenario() -> None:
        agent.start()
        await router.until(lambda: len(router.script.sessions) >= 2)
        router.script.abort_hello, router.script.secrets = None, secrets
        await agent.wait_online(200)

    on_reactor(scenario)

    assert agent.outcome is Outcome.JOIN_REFUSED


def test_another_session_in_its_place_ends_the_agent_at_the_eighth_time(router: FakeRouter, agent: Agent) -> None:
    taken = RefusedError("wamp.error.procedure_already_exists", "there is one")
    router.script.refuses[f"re.mgmt.{agent.memory.flock.serial_number}.wamp_connection_established"] = taken

    async def scenario() -> None:
        agent.start()
        await agent.ended

    on_reactor(scenario)

    assert agent.outcome is Outcome.ALREADY_CONNECTED
    assert len(router.script.sessions) == 8


def test_a_refused_testament_ends_a_first_connection_and_no_later_one(router: FakeRouter, agent: Agent) -> None:
    refusal = RefusedError("wamp.error.not_authorized", "no")

    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)
        router.script.refuses["wamp.session.add_testament"] = refusal
        router.script.session.reset()
        await router.until(lambda: agent.state is not State.ONLINE)
        await agent.wait_online(200)
        assert "add_testament" in agent.memory.refused
        second = Agent(flock_for(router, 8), agent._around)
        second.start()
        await second.ended
        assert second.outcome is Outcome.TESTAMENT_REFUSED

    on_reactor(scenario)


def test_a_refused_last_status_ends_the_agent(router: FakeRouter, agent: Agent) -> None:
    router.script.refuses["reswarm.devices.update_device_status"] = RefusedError(UNAVAILABLE, "away")

    async def scenario() -> None:
        agent.start()
        await agent.ended

    on_reactor(scenario)

    assert agent.outcome is Outcome.STATUS_REFUSED


def test_a_device_that_was_moved_comes_back_under_its_new_name(router: FakeRouter, agent: Agent) -> None:
    router.script.secrets["4-7"] = SECRET
    moved = {"device_name": "press", "swarm_name": "other", "ownername": "owner", "swarm_key": 4}
    router.script.procedures["reswarm.devices.read_device_metadata"] = lambda _: moved

    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)

    on_reactor(scenario)

    assert [session.received[0][2]["authid"] for session in router.script.sessions] == ["3-7", "4-7"]


def test_unanswered_pings_make_it_connect_anew(router: FakeRouter, agent: Agent) -> None:
    router.script.answers_pings = False

    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)
        await router.until(lambda: len(router.script.sessions) == 2, timeout_s=25)

    on_reactor(scenario)

    assert router.script.pings == [b"keepalive", b"keepalive"]


def test_on_a_reconnect_on_unregister_is_not_subscribed_again(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)
        router.script.session.reset()
        await router.until(lambda: agent.state is not State.ONLINE)
        await agent.wait_online(200)

    on_reactor(scenario)

    assert "wamp.registration.on_unregister" not in sent(router)


def test_a_stopped_agent_says_goodbye_and_a_killed_one_does_not(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)
        session = router.script.session
        await agent.stop()
        await router.until(lambda: session.has_ended)
        assert session.received[-1][0] == 6
        other = Agent(flock_for(router, 8), agent._around)
        other.start()
        await other.wait_online(200)
        session = router.script.session
        other.kill()
        await router.until(lambda: session.has_ended)
        assert session.received[-1][0] == CALL

    on_reactor(scenario)


def test_over_a_cut_network_nothing_arrives_and_after_mending_it_is_back(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)
        session = router.script.session
        agent.cut_network()
        session.sendPing(b"are you there")
        await router.until(lambda: agent.outcome is Outcome.NOT_REACHED, timeout_s=25)
        assert not session.has_ended
        assert session.pongs == []
        agent.mend_network()
        await agent.wait_online(200)
        await router.until(lambda: session.has_ended)
        assert router.script.session is not session

    on_reactor(scenario)


def test_callers_are_checked_as_the_agent_checks_them(router: FakeRouter, agent: Agent) -> None:
    asked: list[dict[str, Any]] = []
    allowed = {"READ"}

    def check(wish: dict[str, Any]) -> bool:
        asked.append(wish)
        return wish["privilege"] in allowed

    async def scenario() -> None:
        router.script.procedures["reswarm.devices.check_privilege"] = check
        agent.start()
        await agent.wait_online(200)
        base = f"re.mgmt.{agent.memory.flock.serial_number}."
        session = router.script.session
        handshake = await session.invoke(f"{base}device_handshake")
        assert handshake[3:] == [[], {"utp": handshake[4]["utp"], "id": agent.memory.flock.serial_number}]
        assert (await session.invoke(f"{base}get_storage_data", caller="42"))[0] == 70
        refused = await session.invoke(f"{base}system_reboot", caller="42")
        assert refused[4:] == ["wamp.error.canceled", [{"error": "insufficient privileges to call system_reboot"}]]
        assert (await session.invoke(f"{base}system_reboot", caller="system"))[0] == 70
        assert (await session.invoke(f"{base}get_images", caller="somebody@example.com"))[0] == 8

    on_reactor(scenario)

    expected = {"entity": "DEVICE", "entity_key": 7, "requestor_account_key": 42, "swarm_key": 3}
    assert asked == [{"privilege": "READ", **expected}, {"privilege": "MAINTAIN", **expected}]


def test_arguments_that_kill_the_published_agent_kill_this_one(router: FakeRouter, agent: Agent) -> None:
    async def scenario() -> None:
        agent.start()
        await agent.wait_online(200)
        base = f"re.mgmt.{agent.memory.flock.serial_number}."
        answering = router.script.session.invoke(f"{base}execute_cmd", [])
        answering.send(None)
        await agent.ended
        answering.close()

    on_reactor(scenario)

    assert agent.outcome is Outcome.CRASHED


def test_another_serializer_is_a_failed_dial(router: FakeRouter, agent: Agent) -> None:
    router.script.chooses = "wamp.2.msgpack"

    async def scenario() -> None:
        agent.start()
        await router.until(lambda: agent.outcome is not None)

    on_reactor(scenario)

    assert agent.outcome is Outcome.NOT_REACHED


def test_a_certificate_of_another_authority_is_a_failed_dial(router: FakeRouter, agent: Agent) -> None:
    stranger = Agent(agent.memory.flock, surroundings(reactor, None))

    async def scenario() -> None:
        stranger.start()
        await router.until(lambda: stranger.outcome is not None)
        stranger.kill()

    on_reactor(scenario)

    assert stranger.outcome is Outcome.NOT_REACHED
    assert router.script.sessions == []


def test_a_service_that_never_answers_keeps_no_place_among_the_connecting(
    router: FakeRouter, certificates: Certificates
) -> None:
    serve_devices(router)
    router.script.procedures["reswarm.devices.get_app_cred_key"] = lambda: Never

    async def scenario() -> None:
        around = surroundings(reactor, certificates.ca, clock=QuickClock(reactor), max_connecting=1)
        agents = [Agent(flock_for(router, key), around) for key in (1, 2)]
        for each in agents:
            each.start()
        await router.until(lambda: len(router.script.sessions) == 2)
        for each in agents:
            each.kill()

    on_reactor(scenario)


def test_a_fleet_is_online_as_a_whole_and_stops_as_a_whole(router: FakeRouter, certificates: Certificates) -> None:
    serve_devices(router)

    async def scenario() -> None:
        fleet = Fleet([flock_for(router, key) for key in range(1, 31)], surroundings(reactor, certificates.ca))
        await fleet.start()
        await fleet.all_online
        assert fleet.counts == {State.ONLINE: 30}
        await fleet.stop()
        await router.until(lambda: all(session.has_ended for session in router.script.sessions))
        assert all(session.received[-1][0] == 6 for session in router.script.sessions)

    on_reactor(scenario)


def test_waiting_for_an_agent_that_is_not_online_ends(router: FakeRouter, agent: Agent) -> None:
    router.script.abort_hello = ("ironflock.error.unavailable", "away")

    async def scenario() -> None:
        agent.start()
        await agent.wait_online(0.5)

    with pytest.raises(DeferredTimeoutError):
        on_reactor(scenario)


def test_a_flock_can_be_given_another_endpoint(router: FakeRouter) -> None:
    assert evolve(flock_for(router), endpoint_url="wss://elsewhere/ws-re-dev").authid == "3-7"
