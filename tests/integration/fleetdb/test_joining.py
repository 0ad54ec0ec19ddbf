"""In which realms fleetdb is, and that it is there again whatever happens to router, realms and itself."""

import asyncio
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ironflock_router.wire_names import SERVICES
from services.fleetdb import errors
from services.fleetdb.gates import Lane
from services.fleetdb.live import LiveRealm, Offer
from services.fleetdb.procedures.declaring import procedure, topic
from services.fleetdb.realms import LOOKS_AT_ONCE, LOOKS_OF_PROJECT, TROUBLED
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.records.calls import Asked, Caller
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.backends import Place, backend_of
from tests.integration.fleetdb.bus_world import FakeRealms, document, fleetdb, there
from tests.integration.router_node.node import Node, Platform, eventually, platform, serial_of
from tests.integration.router_node.test_joins import NEUTRAL, refusal
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

OWN = "realm-1-26-dev"


class Echo:
    """A surface that tells what it was asked."""

    def __init__(self) -> None:
        self.heard: list[Asked] = []
        self.fault: Exception | None = None

    @procedure("append.{project}.{app}.", Lane.WRITES)
    async def append(self, realm: LiveRealm, asked: Asked) -> dict[str, Any]:
        realm.table(asked.name)
        if self.fault is not None:
            raise self.fault
        device = await realm.device_of(asked.caller)
        return {"table": asked.name, "args": list(asked.args), "kwargs": asked.kwargs, "device": device}

    @topic("{project}.{app}.", Lane.WRITES)
    async def written(self, realm: LiveRealm, asked: Asked) -> None:
        self.heard.append(asked)
        realm.publish(f"transformed.{asked.name}", asked.args[0], is_private=asked.name == "secret")


class Kept:
    """Hands that make one table of each backend."""

    def __init__(self) -> None:
        self.taken: list[Backend] = []
        self.dropped: list[int] = []
        self.fault: Exception | None = None
        self.bad: set[int] = set()
        """Apps at which it fails, all of them if there is none."""
        self.stuck: set[int] = set()
        """Projects that it never comes to an end with."""

    async def take(self, backend: Backend) -> Offer:
        if backend.project_key in self.stuck:
            await asyncio.sleep(3600)
        if self.fault is not None and (not self.bad or backend.app_key in self.bad):
            raise self.fault
        self.taken.append(backend)
        return Offer({"readings": Table("readings", {})})

    async def drop(self, backend: Backend) -> None:
        self.dropped.append(backend.backend_key)


async def refused(call: Any, uri: str) -> WampError:
    with pytest.raises(WampError) as raised:
        await call
    assert raised.value.uri == uri
    return raised.value


async def test_before_all_is_open_a_call_is_told_to_come_again_and_not_that_its_session_is_over() -> None:
    realm = LiveRealm(backend_of(document(1, 26)), Offer({}))

    with pytest.raises(errors.Refusal) as told:
        await realm.device_of(Caller(5, serial_of(7), "app"))

    assert told.value.uri == "wamp.error.no_such_procedure"


async def test_it_joins_what_is_ready_serves_it_and_leaves_with_the_install(stand_ins: Platform) -> None:
    echo, hands = Echo(), Kept()
    async with fleetdb(stand_ins, [echo], hands) as world:
        await eventually(world.health.ready)
        async with await world.node.app(7) as app:
            await refused(app.call("append.1.26.readings", {"a": 1}), "wamp.error.no_such_procedure")
            await world.fakes.put(document(1, 26))
            await eventually(world.joined)
            assert await app.call("append.1.26.readings", {"a": 1}, DEVICE_NAME="press") == {
                "table": "readings",
                "args": [{"a": 1}],
                "kwargs": {"DEVICE_NAME": "press"},
                "device": 7,
            }
            await refused(app.call("append.1.26.nothing", {}), "wamp.error.no_such_procedure")
            await refused(app.call("append.1.27.readings", {}), "wamp.error.no_such_procedure")
            heard: list[Any] = []
            await app.subscribe("transformed.", heard.append, match="prefix")
            await app.publish("1.26.readings", {"b": 2})
            await eventually(lambda: heard)
            assert heard[0][4] == [{"b": 2}]
            assert heard[0][3]["publisher_authrole"] == "svc_fleetdb"
            assert (echo.heard[0].caller.authid, echo.heard[0].caller.role) == (serial_of(7), "app")
            await world.fakes.remove(1, 26)
            await eventually(lambda: hands.dropped)
        assert world.realms.backends == []
        await eventually(world.health.ready)


class Slow:
    """A surface of which one call lasts until it may end."""

    def __init__(self) -> None:
        self.begun = Event()
        self.may_end = Event()

    @procedure("append.{project}.{app}.", Lane.WRITES)
    async def append(self, _: LiveRealm, asked: Asked) -> str:
        self.begun.set()
        while not self.may_end.is_set():  # noqa: ASYNC110 - told from another thread
            await asyncio.sleep(0.01)
        return asked.name

    @procedure("history.transformed.", Lane.READS)
    async def history(self, _: LiveRealm, asked: Asked) -> str:
        return asked.name


async def test_told_to_end_it_answers_what_it_has_begun_and_is_sent_no_more(stand_ins: Platform) -> None:
    slow = Slow()
    async with fleetdb(stand_ins, [slow], Kept()) as world:
        await world.fakes.put(document(1, 26))
        await eventually(world.joined)
        async with await world.node.app(7) as app:

            async def is_withdrawn() -> bool:
                try:
                    await app.call("history.transformed.readings")
                except WampError as error:
                    return error.uri == "wamp.error.no_such_procedure"
                return False

            running = asyncio.create_task(app.call("append.1.26.readings", {"a": 1}))
            await eventually(slow.begun.is_set)
            assert not await is_withdrawn()
            stopping = asyncio.create_task(there(world.realms.stop()))
            await eventually(is_withdrawn)
            slow.may_end.set()

            assert await running == "readings"
            await stopping


async def test_told_to_end_while_the_router_is_away_it_ends(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    try:
        async with platform(node) as stand_ins, fleetdb(stand_ins, [Echo()], Kept()) as world:
            await world.fakes.put(document(1, 26))
            await eventually(world.joined)
            node.stop()
            await eventually(lambda: world.joined() == 0)

            await there(world.realms.stop())
            await there(world.bus.stop())

            assert world.realms.backends == []
    finally:
        node.stop()


async def test_what_joins_while_it_ends_is_sent_nothing(stand_ins: Platform) -> None:
    slow = Slow()
    async with fleetdb(stand_ins, [slow], Kept()) as world:
        await world.fakes.put(document(1, 26))
        await eventually(world.joined)
        async with await world.node.app(7) as app:
            running = asyncio.create_task(app.call("append.1.26.readings", {"a": 1}))
            await eventually(slow.begun.is_set)
            link = world.realms._served[Place(1, 26, Stage.DEV)].link
            stopping = asyncio.create_task(there(world.realms.stop()))
            await eventually(lambda: link._is_draining)

            _ = await there(link._settle())  # as after a loss

            async def tell() -> bool:
                world.realms._told(project_key=1, app_key=27, stage="DEV")
                return bool(world.realms._looked)

            assert not await there(tell())
            await refused(app.call("append.1.26.readings", {"a": 1}), "wamp.error.no_such_procedure")
            slow.may_end.set()
            assert await running == "readings"
            await stopping


async def test_private_rows_are_not_for_readers(stand_ins: Platform) -> None:
    stand_ins.grants.add((27, 26))
    async with fleetdb(stand_ins, [Echo()], Kept()) as world:
        await world.fakes.put(document(1, 26))
        async with await world.node.app(7) as app, await world.node.app(8, 27, realm=OWN) as reader:
            own: list[Any] = []
            read: list[Any] = []
            await app.subscribe("transformed.", own.append, match="prefix")
            await reader.subscribe("transformed.", read.append, match="prefix")
            await eventually(lambda: world.realms.backends)

            async def heard() -> bool:
                await app.publish("1.26.secret", {"n": 1})
                await app.publish("1.26.open", {"n": 2})
                return len(own) > 1

            await eventually(heard)
            await eventually(lambda: read)
            assert {event[4][0]["n"] for event in own} == {1, 2}
            assert {event[4][0]["n"] for event in read} == {2}


@pytest.mark.parametrize(
    ("fault", "uri"),
    [
        (errors.typed("rate_limited", "slowly"), "sys.dataservice.error.rate_limited"),
        (errors.Refusal("wamp.error.runtime_error", {}), "wamp.error.runtime_error"),
        (ValueError("a row: hunter2"), "ironflock.error.internal"),
    ],
)
async def test_refusals_leave_as_they_are_and_faults_without_content(
    stand_ins: Platform, fault: Exception, uri: str
) -> None:
    echo = Echo()
    async with fleetdb(stand_ins, [echo], Kept()) as world:
        await world.fakes.put(document(1, 26))
        async with await world.node.app(7) as app:
            await eventually(world.joined)
            echo.fault = fault
            error = await refused(app.call("append.1.26.readings", {}), uri)
            assert "hunter2" not in str(error.details)


async def test_a_backend_that_cannot_be_made_is_tried_again_and_told_of(stand_ins: Platform) -> None:
    hands = Kept()
    hands.fault = errors.typed("storage_full", "no room")
    async with fleetdb(stand_ins, [Echo()], hands) as world:
        await eventually(world.health.ready)
        await world.fakes.put(document(1, 26))
        await eventually(lambda: not world.health.ready())
        hands.fault = None
        await eventually(lambda: world.realms.backends and world.health.ready())


async def test_one_backend_s_trouble_is_not_the_process_s(stand_ins: Platform) -> None:
    hands = Kept()
    hands.fault, hands.bad = errors.typed("storage_full", "no room"), {28}
    async with fleetdb(stand_ins, [Echo()], hands) as world:
        for app in (26, 27, 28):
            await world.fakes.put(document(1, app))
        await eventually(lambda: world.joined() == 2 and TROUBLED._value.get() == 1)
        await eventually(world.health.ready)
        hands.bad = {27, 28}
        await world.fakes.put(document(1, 27, epoch=2))
        await eventually(lambda: not world.health.ready())


async def test_a_project_with_which_nothing_goes_on_keeps_no_other_from_being_served(stand_ins: Platform) -> None:
    hands = Kept()
    hands.stuck = {2}
    async with fleetdb(stand_ins, [Echo()], hands) as world:
        for app in range(1, LOOKS_AT_ONCE + 2):
            await world.fakes.put(document(2, app))
        await world.fakes.put(document(1, 26))
        await eventually(lambda: world.joined() == 1)


async def test_one_project_keeps_no_other_one_waiting(stand_ins: Platform) -> None:
    """However many apps it has whose tables and views take long to make."""

    class Slow(Kept):
        async def take(self, backend: Backend) -> Offer:
            if backend.project_key == 1:
                self.taken.append(backend)
                await asyncio.Event().wait()
            return await super().take(backend)

    hands = Slow()
    async with fleetdb(stand_ins, [Echo()], hands) as world:
        for app in range(1, 25):
            await world.fakes.put(document(1, app))
        await eventually(lambda: len(hands.taken) == LOOKS_OF_PROJECT)
        await world.fakes.put(document(2, 26))
        await eventually(lambda: [backend.project_key for backend in world.realms.backends] == [2])
        assert [backend.project_key for backend in hands.taken].count(1) == LOOKS_OF_PROJECT


async def test_a_changed_backend_is_taken_without_leaving_the_realm(stand_ins: Platform) -> None:
    hands = Kept()
    async with fleetdb(stand_ins, [Echo()], hands) as world:
        await world.fakes.put(document(1, 26))
        await eventually(lambda: world.realms.backends)
        await world.fakes.put(document(1, 26, epoch=2, providers=["*"]))
        await eventually(lambda: world.realms.backends[0].epoch == 2)
        assert world.realms.backends[0].providers == {"*"}
        assert hands.dropped == []


async def test_a_realm_that_the_router_ended_is_joined_again_where_the_app_is_still_installed(
    stand_ins: Platform,
) -> None:
    hands = Kept()
    async with fleetdb(stand_ins, [Echo()], hands) as world:
        await world.fakes.put(document(1, 26))
        await eventually(world.joined)
        (before,) = world.realms.realms
        await world.fakes.peer.call("ironflock.router.realm.end", OWN)
        await eventually(lambda: world.joined() and world.realms.realms[0] is not before)
        async with await world.node.app(7) as app:
            assert (await app.call("append.1.26.readings", {}))["device"] == 7
        assert hands.dropped == []


async def test_no_other_service_and_no_device_is_let_into_a_data_realm(stand_ins: Platform) -> None:
    for name in SERVICES:
        if name != "fleetdb":
            refused = await refusal(stand_ins.node, "/ws-svc", OWN, f"svc_{name}", f"secret of {name}")
            assert refused == NEUTRAL
    assert await refusal(stand_ins.node, "/ws-ua-usr", OWN, "svc_fleetdb", "secret of fleetdb") == NEUTRAL
    assert await refusal(stand_ins.node, "/ws-svc", "realm-1-26-DEV", "svc_fleetdb", "secret of fleetdb") == NEUTRAL


async def test_it_is_back_in_every_realm_after_the_router_was_restarted(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    try:
        async with platform(node) as stand_ins, fleetdb(stand_ins, [Echo()], Kept()) as world:
            for app in (26, 27, 28):
                await world.fakes.put(document(1, app))
            await eventually(lambda: world.joined() == 3)
            node.stop()
            await eventually(lambda: world.joined() == 0)
            node.start()
            async with platform(node) as again:
                peer = await node.service("realms", "ironflock.system")
                fakes = FakeRealms(peer)
                fakes.backends = world.fakes.backends
                await fakes.open()
                await eventually(lambda: world.joined() == 3)
                async with await again.node.app(7) as container:
                    answer = await container.call("append.1.26.readings", {"a": 1})
                    assert answer["device"] == 7
                await peer.drop()
    finally:
        node.stop()
