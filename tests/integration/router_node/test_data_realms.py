"""What apps may do on a data realm, and how such realms end and come back."""

import asyncio
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.router_node.node import Node, Platform, app_authid, app_secret, eventually, platform, serial_of
from tests.integration.router_node.test_app_joins import AWAY, NO_SUCH_REALM, OWN
from tests.integration.router_node.test_app_joins import refused as join_refused
from tests.integration.router_node.test_authorization import FORGED, ignore, refused
from tests.integration.router_node.wire import PUBLISH, PUBLISHED, AbortedError, ClosedError, Peer

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

INVALID = "wamp.error.invalid_argument"
GONE = "wamp.close.realm_gone"
ENDED = "ironflock.close.credential_ended"


def answer(*args: Any, details: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {"args": args, "details": details}


async def ends(peer: Peer, reason: str) -> None:
    await asyncio.wait_for(peer.closed.wait(), 5)
    assert peer.goodbye is not None
    assert peer.goodbye[2] == reason


async def system(stand_ins: Platform, name: str) -> Peer:
    return await stand_ins.node.service(name, "ironflock.system")


async def figure(node: Node, name: str) -> float:
    def read(tls: ssl.SSLContext) -> str:
        with urllib.request.urlopen(f"https://localhost:{node.ops}/metrics", context=tls) as page:
            text: str = page.read().decode()
            return text

    lines = (await asyncio.to_thread(read, node.tls)).splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


async def test_two_apps_of_one_realm_publish_subscribe_register_and_call(stand_ins: Platform) -> None:
    heard: list[Any] = []
    async with await stand_ins.node.app(7) as one, await stand_ins.node.app(8) as other:
        await other.subscribe("com.myapp.x", heard.append)
        await other.subscribe("com.myapp.", heard.append, match="prefix")
        await one.publish("com.myapp.x", 1, DEVICE_KEY="7")
        await eventually(lambda: len(heard) == 2)
        assert [event[3]["publisher_authid"] for event in heard] == [serial_of(7)] * 2
        assert heard[0][4:] == [[1], {"DEVICE_KEY": "7"}]

        await one.register("1.7.26.DEV.hello", answer, force_reregister=True)
        called = await other.call("1.7.26.DEV.hello", "x")
        assert called["args"] == ["x"]
        assert (called["details"]["caller_authid"], called["details"]["caller_authrole"]) == (serial_of(8), "app")

        await one.publish("1.26.sensordata", {"a": 1})
        await one.publish("bulk.1.26.sensordata", [{"a": 1}])


async def test_nothing_passes_between_two_realms(stand_ins: Platform) -> None:
    heard: list[Any] = []
    node = stand_ins.node
    others = [await node.app(7, stage="prod"), await node.app(7, 77), await node.app(500)]
    async with await node.app(7) as app:
        for other in others:
            await other.subscribe("com.myapp.x", heard.append)
        await app.register("1.7.26.DEV.f", answer)
        await app.publish("com.myapp.x", 1)
        for other in others[:2]:
            await refused(other.call("1.7.26.DEV.f"), "wamp.error.no_such_procedure")
        await refused(others[2].call("1.7.26.DEV.f"))
        for other in others:
            await other.publish("com.myapp.x", 2, options={"exclude_me": False})
            await other.drop()
        assert {tuple(event[4]) for event in heard} <= {(2,)}


async def test_what_has_no_callee_reads_no_such_procedure(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as app:
        for uri in ("append.1.26.t", "history.transformed.t", "secret.reveal.t", "files.read.list", "com.x.y"):
            await refused(app.call(uri), "wamp.error.no_such_procedure")
        for uri in ("sys.appaccess.resolve", "ironflock.location_service.update", "1.8.26.DEV.f"):
            await refused(app.call(uri), "wamp.error.no_such_procedure")


async def test_an_app_registers_below_its_own_device_app_and_stage_only(stand_ins: Platform) -> None:
    force = {"force_reregister": True}
    async with await stand_ins.node.app(7) as one, await stand_ins.node.app(8) as other:
        await other.register("1.8.26.DEV.f", lambda **_: "genuine")
        for uri in ("1.8.26.DEV.f", "1.7.26.PROD.f", "1.7.77.DEV.f", "2.7.26.DEV.f", "com.myapp.f", "append.1.26.t"):
            await refused(one.register(uri, answer))
            await refused(one.register(uri, answer, **force))
        for uri in ("1.8.26.DEV.", "1.", "", "1.7.26.", "1.7.26.D"):
            await refused(one.register(uri, answer, match="prefix"))
        for uri in ("1..26.DEV.f", "....", "1.7..DEV.f"):
            await refused(one.register(uri, answer, match="wildcard", **force))
        assert await one.call("1.8.26.DEV.f") == "genuine"
        await one.register("1.7.26.DEV.", answer, match="prefix")


async def test_a_second_session_of_the_device_takes_its_procedure_over(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as first, await stand_ins.node.app(7) as second:
        await first.register("1.7.26.DEV.f", lambda **_: 1)
        await refused(second.register("1.7.26.DEV.f", lambda **_: 2), "wamp.error.procedure_already_exists")
        await second.register("1.7.26.DEV.f", lambda **_: 2, force_reregister=True)
        assert await first.call("1.7.26.DEV.f") == 2


@pytest.mark.parametrize(
    "options",
    [
        {"forward_for": FORGED},
        {"forward_for": []},
        {"eligible": [1]},
        {"eligible_authid": [serial_of(8)]},
        {"eligible_authrole": ["app"]},
        {"exclude": [1]},
        {"exclude_authid": [serial_of(8)]},
        {"exclude_authrole": ["svc_fleetdb"]},
        {"retain": True},
    ],
    ids=str,
)
async def test_options_that_choose_who_hears_or_who_speaks_are_refused(
    stand_ins: Platform, options: dict[str, Any]
) -> None:
    heard: list[Any] = []
    async with await stand_ins.node.app(7) as app, await stand_ins.node.app(8) as other:
        await other.subscribe("com.myapp.x", heard.append)
        await other.subscribe("com.myapp.y", heard.append)
        await refused(app.publish("com.myapp.x", 1, options=options))
        await app.publish("com.myapp.y", 2)
        await eventually(lambda: heard)
        assert [event[4] for event in heard] == [[2]]
        if "forward_for" in options:
            await refused(app.call("com.myapp.f", options=options))


async def test_options_of_registrations_and_subscriptions(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as app:
        shared: list[dict[str, Any]] = [{"invoke": "roundrobin"}, {"invoke": "first"}, {"concurrency": 5}]
        for options in (*shared, {"forward_for": FORGED}):
            await refused(app.register("1.7.26.DEV.f", answer, **options))
        await refused(app.subscribe("com.myapp.x", ignore, get_retained=True))
        await refused(app.subscribe("com.myapp.x", ignore, forward_for=FORGED))


WIDE = ["", "1", "1.", "1.26.", "b", "bulk", "bulk.", "a", "wamp.", "transformed", "com", "ironflock.", "databackend"]
WIDER = [".", "..", "...", ".26.sensordata", "1..sensordata", "bulk...sensordata", ".1.26.t", "wamp..on_join"]


@pytest.mark.parametrize(("uri", "match"), [*((uri, "prefix") for uri in WIDE), *((uri, "wildcard") for uri in WIDER)])
async def test_a_wide_subscription_is_refused(stand_ins: Platform, uri: str, match: str) -> None:
    async with await stand_ins.node.app(7) as app:
        await refused(app.subscribe(uri, ignore, match=match))


async def test_nobody_but_the_data_backend_hears_what_is_written(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as app:
        for uri in ("1.26.sensordata", "bulk.1.26.sensordata", "1.7.26.DEV.f", "1", "append.1.26.t"):
            await refused(app.subscribe(uri, ignore))
        for uri in ("transformed.t", "transformed.bulk.t", "databackend.errors.x", "files.events"):
            await app.subscribe(uri, ignore)
            await refused(app.publish(uri, 1))


async def test_meta_events_and_procedures_are_for_nobody(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as app, await stand_ins.node.app(8) as other:
        for topic in ("session.on_join", "session.on_leave", "subscription.on_create", "registration.on_create"):
            await refused(app.subscribe(f"wamp.{topic}", ignore))
        for uri in (
            *(f"wamp.session.{verb}" for verb in ("list", "count", "kill", "kill_by_authid", "kill_by_authrole")),
            *(f"wamp.session.{verb}" for verb in ("add_testament", "flush_testaments", "kill_all", "modify_details")),
            *(f"wamp.registration.{verb}" for verb in ("list", "get", "match", "lookup", "list_callees")),
            *(f"wamp.subscription.{verb}" for verb in ("list", "get", "match", "list_subscribers", "get_events")),
            "wamp.registration.remove_callee",
            "wamp.subscription.remove_subscriber",
            "crossbar.get_status",
        ):
            await refused(app.call(uri, other.session))
            await refused(app.call(uri))


async def test_an_app_asks_after_its_own_session_only(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as app, await stand_ins.node.app(8) as other:
        assert await app.call("wamp.session.get", app.session) == {
            "session": app.session,
            "realm": OWN,
            "authid": serial_of(7),
            "authrole": "app",
            "authmethod": "wampcra",
            "authextra": {"device_key": 7, "project_key": 1, "app_key": 26, "stage": "dev"},
        }
        for args in ([other.session], [1], [], [app.session, 1], [None], ["x"], [{"a": 1}]):
            await refused(app.call("wamp.session.get", *args), "wamp.error.no_such_session")


async def test_a_testament_is_not_taken(stand_ins: Platform) -> None:
    heard: list[Any] = []
    async with await stand_ins.node.app(7) as app, await stand_ins.node.app(8) as other:
        await other.subscribe("com.myapp.x", heard.append)
        await refused(app.call("wamp.session.add_testament", "com.myapp.x", ["last words"], {}))
        await app.drop()
        await other.publish("com.myapp.x", 1, options={"exclude_me": False})
        await eventually(lambda: heard)
        assert [event[4] for event in heard] == [[1]]


async def test_a_reader_reads_and_nothing_else(stand_ins: Platform) -> None:
    stand_ins.grants.add((77, 26))
    heard: list[Any] = []
    async with await stand_ins.node.app(7) as app, await stand_ins.node.app(8, 77, realm=OWN) as reader:
        for uri in ("transformed.t", "transformed.bulk.t", "files.events"):
            await reader.subscribe(uri, heard.append)
        for uri in ("history.transformed.t", "files.read.get"):
            await refused(reader.call(uri), "wamp.error.no_such_procedure")
        assert (await reader.call("wamp.session.get", reader.session))["authrole"] == "app_reader"
        for uri in ("com.myapp.x", "1.26.t", "bulk.1.26.t", "transformed.t", "1.8.26.DEV.f", "1.8.77.DEV.f"):
            await refused(reader.publish(uri, 1))
            await refused(reader.register(uri, answer))
            await refused(reader.register(uri, answer, force_reregister=True))
        for uri in ("com.myapp.x", "1.26.t", "bulk.1.26.t", "databackend.errors.x"):
            await refused(reader.subscribe(uri, ignore))
        await app.register("1.7.26.DEV.f", answer)
        for uri in ("1.7.26.DEV.f", "append.1.26.t", "secret.reveal.t", "files.write.put", "sys.appaccess.list"):
            await refused(reader.call(uri))


# the life of a realm


async def test_the_end_of_a_realm_ends_its_sessions_and_the_next_join_starts_it_anew(stand_ins: Platform) -> None:
    node = stand_ins.node
    async with await system(stand_ins, "realms") as realms, await node.app(7, 77) as elsewhere:
        for _ in range(3):
            async with await node.app(7) as one, await node.app(8) as other:
                await one.register("1.7.26.DEV.f", answer)
                await other.subscribe("com.myapp.x", ignore)
                assert await realms.call("ironflock.router.realm.end", OWN) == {"ended": 2}
                await ends(one, GONE)
                await ends(other, GONE)
        stand_ins.uninstalled.add((7, 26, "dev"))
        assert (await join_refused(node, OWN, app_authid(7, 26)))[0] == NO_SUCH_REALM
        stand_ins.uninstalled.clear()
        async with await node.app(8) as again:
            await refused(again.call("1.7.26.DEV.f"), "wamp.error.no_such_procedure")
            await again.publish("com.myapp.x", 1)
        assert not elsewhere.closed.is_set()
        assert await realms.call("ironflock.router.realm.end", "realm-1-999-dev") == {"ended": 0}


async def test_a_client_that_ignores_the_end_of_its_realm_is_cut(stand_ins: Platform) -> None:
    async with await system(stand_ins, "realms") as realms, await stand_ins.node.app(7) as app:
        assert app._task is not None
        app._task.cancel()  # it neither reads nor answers any more
        await realms.call("ironflock.router.realm.end", OWN)
        app.send(PUBLISH, 1, {"acknowledge": True}, "com.myapp.x", [1])
        assert PUBLISHED not in await said_until_cut(app)


async def said_until_cut(peer: Peer) -> list[int]:
    """The kinds of the messages that come until the connection is gone."""
    kinds: list[int] = []
    while True:
        try:
            kinds.append((await asyncio.wait_for(peer.receive(), 3))[0])
        except ClosedError:
            return kinds


async def test_an_uninstalled_app_takes_its_realm_and_its_sessions_elsewhere_with_it(stand_ins: Platform) -> None:
    node = stand_ins.node
    stand_ins.grants |= {(26, 77), (78, 77)}
    stand_ins.takes_legacy = True
    event: dict[str, Any] = {"project_key": 1, "app_key": 26, "stage": "DEV"}
    foreign = "realm-1-77-dev"
    async with (
        await system(stand_ins, "realms") as realms,
        await node.app(7) as own,
        await node.app(7, realm=foreign) as reader,
        await node.app(7, 78, realm=foreign) as other_reader,
        await node.app(7, stage="prod") as prod,
        await node.app(7, 77) as provider,
        await node.app(500) as other_project,
    ):
        await realms.publish("ironflock.realms.install.changed", **event, is_installed=True)
        await realms.publish("ironflock.realms.install.changed", **{**event, "app_key": "x"}, is_installed=False)
        await realms.publish("ironflock.realms.install.changed", "nonsense")
        await realms.publish("ironflock.realms.install.changed", **event, is_installed=False)
        await ends(own, GONE)
        await ends(reader, ENDED)
        for untouched in (other_reader, prod, provider, other_project):
            await untouched.call("wamp.session.get", untouched.session)


async def test_revoked_access_ends_the_readers(stand_ins: Platform) -> None:
    stand_ins.grants.add((26, 77))
    event: dict[str, Any] = {"project_key": 1, "app_key": 26, "provider": "weather"}
    async with (
        await system(stand_ins, "realms") as realms,
        await stand_ins.node.app(7) as own,
        await stand_ins.node.app(7, realm="realm-1-77-dev") as reader,
    ):
        await realms.publish("ironflock.realms.access.changed", **event, is_granted=True)
        await realms.publish("ironflock.realms.access.changed", "nonsense", is_granted=False)
        await reader.call("wamp.session.get", reader.session)
        await realms.publish("ironflock.realms.access.changed", **event, is_granted=False)
        await ends(reader, ENDED)
        await own.call("wamp.session.get", own.session)


async def test_a_project_that_leaves_a_legacy_mode_is_rid_of_what_came_by_it(stand_ins: Platform) -> None:
    node, serial = stand_ins.node, serial_of(7)
    stand_ins.takes_legacy = True
    changed = "ironflock.realms.legacy_mode.changed"
    async with (
        await system(stand_ins, "realms") as realms,
        await Peer.connect(node.public, "/ws-ua-usr", node.tls) as legacy,
        await node.app(7) as app,
    ):
        await legacy.join_cra(OWN, serial, serial)
        for untouched in ({"project_key": 1, "mode": "dual"}, {"project_key": 2, "mode": "strict"}, {"mode": "strict"}):
            await realms.publish(changed, **untouched)
        await legacy.call("wamp.session.get", legacy.session)
        await realms.publish(changed, project_key=1, mode="strict")
        await ends(legacy, ENDED)
        await app.call("wamp.session.get", app.session)
    async with await system(stand_ins, "devices") as devices:
        await refused(devices.publish(changed, project_key=1, mode="strict"))


async def test_a_join_that_is_under_way_does_not_slip_past_an_end(stand_ins: Platform) -> None:
    async with await system(stand_ins, "realms") as realms, await system(stand_ins, "devices") as devices:
        for end in (
            lambda: realms.call("ironflock.router.realm.end", OWN),
            lambda: devices.call("ironflock.router.session.end", device_key=7, app_key=26, stage="DEV"),
        ):

            async def end_meanwhile(end: Any = end) -> None:
                await end()

            stand_ins.before_answer = end_meanwhile
            assert (await join_refused(stand_ins.node, OWN, app_authid(7, 26)))[0] == AWAY
            stand_ins.before_answer = None
            async with await stand_ins.node.app(7) as app:
                await app.publish("com.myapp.x", 1)


async def test_joins_while_a_realm_ends_join_it_anew_or_are_told_to_come_again(stand_ins: Platform) -> None:
    node, outcomes = stand_ins.node, list[str]()

    async def attempt(key: int) -> None:
        try:
            app = await node.app(key)
        except AbortedError as error:
            outcomes.append(error.reason)
            return
        outcomes.append("joined")
        async with app:
            try:
                await app.publish("com.myapp.x", 1)
            except ClosedError:
                assert app.goodbye is not None
                assert app.goodbye[2] == GONE

    async with await system(stand_ins, "realms") as realms:
        for _ in range(5):
            attempts = [asyncio.create_task(attempt(key)) for key in range(1, 16)]
            for _ in range(5):
                await realms.call("ironflock.router.realm.end", OWN)
            await asyncio.gather(*attempts)
    assert set(outcomes) <= {"joined", AWAY}
    async with await node.app(7) as app, await node.app(8) as other:
        await app.register("1.7.26.DEV.f", lambda **_: 1)
        assert await other.call("1.7.26.DEV.f") == 1


async def test_sessions_end_by_device_app_realm_and_epoch(stand_ins: Platform) -> None:
    node = stand_ins.node
    stand_ins.grants.add((26, 77))
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"device_key": 7}, {"own", "reader", "prod"}),
        ({"serial": serial_of(7), "realm": None}, {"own", "reader", "prod"}),
        ({"device_key": 7, "app_key": 26, "stage": "DEV"}, {"own", "reader"}),
        ({"device_key": 7, "app_key": 26, "stage": "dev", "epoch_below": 2}, {"own", "reader"}),
        ({"device_key": 7, "epoch_below": 1}, set()),
        ({"realm": "realm-1-77-dev", "app_key": 26}, {"reader"}),
        ({"realm": OWN}, {"own", "other"}),
        ({"project_key": 1}, {"own", "reader", "prod", "other"}),
        ({"project_key": 1, "role": "app_reader"}, {"reader"}),
        ({"project_key": 3}, set()),
    ]
    async with await system(stand_ins, "devices") as devices:
        for conditions, expected in cases:
            peers = {
                "own": await node.app(7),
                "reader": await node.app(7, realm="realm-1-77-dev"),
                "prod": await node.app(7, stage="prod"),
                "other": await node.app(8),
                "foreign": await node.app(500),
            }
            assert await devices.call("ironflock.router.session.end", **conditions) == {"ended": len(expected)}
            for name, peer in peers.items():
                if name in expected:
                    await ends(peer, ENDED)
                else:
                    await peer.call("wamp.session.get", peer.session)
                await peer.drop()


async def test_ending_is_for_the_services_that_may_and_for_what_makes_sense(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as app:
        senseless: list[dict[str, Any]] = [
            {},
            {"app_key": 26},
            {"device_key": "7"},
            {"device_key": True},
            {"device_key": 7, "stage": "test"},
            {"device_key": 7, "everything": 1},
            {"device_key": 7, "is_legacy": 1},
            {"is_legacy": True},
            {"stage": 5, "device_key": 7},
        ]
        async with await system(stand_ins, "devices") as devices:
            for conditions in senseless:
                await refused(devices.call("ironflock.router.session.end", **conditions), INVALID)
            await refused(devices.call("ironflock.router.realm.end", OWN))
        async with await system(stand_ins, "realms") as realms:
            for realm in ("realm1", "ironflock.system", "", 7, None, "realm-1-26-DEV"):
                await refused(realms.call("ironflock.router.realm.end", realm), INVALID)
        for name in ("auth", "audit", "privileges", "gateway"):
            async with await system(stand_ins, name) as service:
                await refused(service.call("ironflock.router.session.end", device_key=7))
                await refused(service.call("ironflock.router.realm.end", OWN))
                for topic in ("install", "access"):
                    await refused(service.publish(f"ironflock.realms.{topic}.changed", is_installed=False))
        await refused(app.call("ironflock.router.realm.end", OWN))
        await app.publish("com.myapp.x", 1)


async def test_services_and_others_do_not_join_a_data_realm_by_another_door(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7):
        for port, path, authid, secret in (
            (stand_ins.node.services, "/ws-svc", "svc_devices", "secret of devices"),
            (stand_ins.node.public, "/ws-re-dev", "1-7", "secret-7"),
            (stand_ins.node.public, "/ws-re-dev", app_authid(7, 26), app_secret(app_authid(7, 26))),
        ):
            async with await Peer.connect(port, path, stand_ins.node.tls) as peer:
                with pytest.raises(AbortedError, match="authentication_failed"):
                    await peer.join_cra(OWN, authid, secret)


async def test_after_a_restart_realms_are_back_as_they_are_joined(tmp_path_factory: pytest.TempPathFactory) -> None:
    node = Node(tmp_path_factory.mktemp("restarted"))
    try:
        for _ in range(2):
            node.start()
            async with platform(node), await node.app(7) as one, await node.app(8) as other:
                await one.register("1.7.26.DEV.f", lambda **_: 1)
                assert await other.call("1.7.26.DEV.f") == 1
            node.stop()
    finally:
        node.stop()


def resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def test_a_hundred_realms_are_started_and_ended_again_and_again_without_growth(stand_ins: Platform) -> None:
    node, sizes = stand_ins.node, list[int]()
    before = await figure(node, "ironflock_router_data_realms")
    async with await system(stand_ins, "realms") as realms:
        for _ in range(4):
            for app in range(1001, 1101):
                async with await node.app(7, app) as peer:
                    await peer.publish("com.myapp.x", 1)
            assert await figure(node, "ironflock_router_data_realms") == before + 100
            for app in range(1001, 1101):
                await realms.call("ironflock.router.realm.end", f"realm-1-{app}-dev")
            assert await figure(node, "ironflock_router_data_realms") == before
            sizes.append(resident_kib(node.pid))
    # A realm takes some 45 KiB: 300 that stayed would be 13 MiB.
    assert sizes[-1] - sizes[0] < 5 * 1024, sizes
