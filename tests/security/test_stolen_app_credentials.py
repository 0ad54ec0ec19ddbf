"""With an app's stolen credential, against another project, another app of the same project, and the platform.

The thief has everything that the agent gives a container, and speaks WAMP by hand. Each attempt is one test: it is
refused or finds nothing, and afterwards the others' rows are what they were, they have heard nothing, and they are
still there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import pytest
import pytest_asyncio
from attrs import field, frozen

from tests.e2e.sdk.conftest import TEMPLATE, Site, make_site
from tests.harness.clients import Account, connect, new_name
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import AbortedError, ClosedError, Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
OURS: Final = "2026-03-01T00:00:00Z"
REFUSED: Final = frozenset(
    {
        "wamp.error.not_authorized",
        "wamp.error.no_such_procedure",
        "wamp.error.no_such_session",
        "wamp.error.runtime_error",
        "wamp.error.invalid_argument",
        "sys.appaccess.error.unknown_app",
        "sys.appaccess.error.no_grant",
        "sys.dataservice.error.invalid_filter",
        "sys.dataservice.error.invalid_metric",
        "sys.dataservice.error.invalid_group_by",
    }
)


@frozen
class Scene:
    """The thief in its own realm; the others, each with a row and a listener."""

    platform: RunningPlatform
    site: Site
    other: Site
    neighbour: int
    stolen: dict[str, str]
    thief: Peer
    victims: list[Peer]
    heard: list[Any] = field(factory=list)

    async def joins(self, realm: str, path: str = "/ws-ua-usr", **more: str) -> str:
        """How an attempt to join is refused."""
        told = self.stolen
        authid, secret = more.get("authid", told["APP_AUTH_ID"]), more.get("secret", told["APP_AUTH_SECRET"])
        try:
            async with await connect(self.platform, path) as peer:
                await peer.join_cra(realm, authid, secret)
        except AbortedError as error:
            return error.reason
        except ClosedError:
            return "closed"
        return "joined"


@frozen
class Places:
    """Two projects, a neighbour in the first, and what containers of the three apps are given."""

    site: Site
    other: Site
    neighbour: int
    told: list[dict[str, str]]


@pytest.fixture(scope="module")
def places(ironflock: RunningPlatform) -> Places:
    owner = Account(ironflock, ironflock.owner_key)
    site, other = make_site(ironflock, owner), make_site(ironflock, owner)
    neighbour = site.install(new_name("neighbour"), TEMPLATE)
    of_neighbour = site.environment(site.devices[0], neighbour)
    told = [site.environment(site.devices[0]), of_neighbour, other.environment(other.devices[0])]
    return Places(site, other, neighbour, told)


@pytest_asyncio.fixture
async def scene(ironflock: RunningPlatform, places: Places) -> AsyncIterator[Scene]:
    site, other, neighbour = places.site, places.other, places.neighbour
    thief, *victims = [await _joined(ironflock, told) for told in places.told]
    made = Scene(ironflock, site, other, neighbour, places.told[0], thief, victims)
    for victim, (project, app) in zip(victims, ((site.project, neighbour), (other.project, other.app)), strict=True):
        for topic in ("transformed.readings", "transformed.bulk.readings", "com.secret"):
            await victim.subscribe(topic, made.heard.append)
        row = {"tsp": OURS, "name": "victim"}
        await _served(victim, f"append.{project}.{app}.machines", row)
    yield made
    for peer in (thief, *victims):
        await peer.drop()


async def _joined(platform: RunningPlatform, told: dict[str, str]) -> Peer:
    peer = await connect(platform, "/ws-ua-usr")
    realm = f"realm-{told['SWARM_KEY']}-{told['APP_KEY']}-dev"
    return await peer.join_cra(realm, told["APP_AUTH_ID"], told["APP_AUTH_SECRET"])


async def _served(peer: Peer, uri: str, row: dict[str, Any]) -> None:
    for _ in range(100):
        try:
            await peer.call(uri, row)
        except WampError as error:
            if error.uri == "sys.dataservice.error.entity_key_conflict":
                return
            await asyncio.sleep(0.1)  # it is not served yet
        else:
            return
    raise AssertionError("nobody serves the realm")


Attempt = Callable[[Scene], Awaitable[Any]]


def call(uri: str, *args: Any, **kwargs: Any) -> Attempt:
    """A call on the thief's own realm; names in braces are the others'."""
    return lambda scene: scene.thief.call(_filled(uri, scene), *args, **kwargs)


def publish(uri: str, *args: Any, **options: Any) -> Attempt:
    return lambda scene: scene.thief.publish(_filled(uri, scene), *args, options=options)


def subscribe(uri: str, match: str = "exact") -> Attempt:
    return lambda scene: scene.thief.subscribe(_filled(uri, scene), scene.heard.append, match=match)


def register(uri: str, **options: Any) -> Attempt:
    return lambda scene: scene.thief.register(_filled(uri, scene), lambda **_: "stolen", **options)


def _filled(uri: str, scene: Scene) -> str:
    names = {
        "p": scene.site.project,
        "a": scene.site.app,
        "d": scene.site.devices[0],
        "d2": scene.site.devices[1],
        "n": scene.neighbour,
        "p2": scene.other.project,
        "a2": scene.other.app,
        "od": scene.other.devices[0],
    }
    return uri.format_map(names)


ROW: Final = {"tsp": "2026-03-02T00:00:00Z", "name": "thief", "speed": 666}
SERIES: Final = {"limit": 5, "timeRange": [OURS, None]}
ATTEMPTS: Final[dict[str, Attempt]] = {
    # rows of others
    "append to another project": call("append.{p2}.{a2}.readings", ROW),
    "append to the neighbour": call("append.{p}.{n}.readings", ROW),
    "append many to another project": call("appendBulk.{p2}.{a2}.readings", [ROW]),
    "append many to the neighbour": call("appendBulk.{p}.{n}.readings", [ROW]),
    "publish a row to another project": publish("{p2}.{a2}.readings", ROW),
    "publish rows to another project": publish("bulk.{p2}.{a2}.readings", [ROW]),
    "publish rows to the neighbour": publish("bulk.{p}.{n}.readings", [ROW]),
    "publish what only the backend publishes": publish("transformed.readings", ROW),
    "publish an error of the backend": publish("databackend.errors.totals", ROW),
    "append as another device": call("append.{p}.{a}.readings", ROW, DEVICE_KEY="1000000"),
    "append as another device in the row": call("append.{p}.{a}.readings", ROW | {"DEVICE_KEY": 1_000_000}),
    # tables that are none
    "history of a catalog": call("history.transformed.pg_class", {"limit": 10}),
    "history of a schema's table": call("history.transformed.pg_catalog.pg_database", {"limit": 10}),
    "history of the information schema": call("history.transformed.information_schema.tables", {"limit": 10}),
    "history of a table by its schema": call("history.transformed.public.readings", {"limit": 10}),
    "history by a quoted name": call('history.transformed."readings"', {"limit": 10}),
    "series of a catalog": call("history.transformed.series.pg_class", SERIES | {"metrics": []}),
    "reveal of a table without secrets": call("secret.reveal.readings", {"limit": 10}),
    "reveal of a catalog": call("secret.reveal.pg_authid", {"limit": 10}),
    "append to a catalog": call("append.{p}.{a}.pg_class", ROW),
    "append to a view": call("append.{p}.{a}.totals", ROW),
    # SQL where none is taken
    "a metric that is SQL": call(
        "history.transformed.series.readings",
        SERIES | {"metrics": [{"ref": "(SELECT count(*) FROM pg_database)", "method": "MAX"}]},
    ),
    "a group that is SQL": call(
        "history.transformed.series.readings",
        SERIES | {"metrics": [{"ref": "speed", "method": "MAX"}], "groupBy": ["(SELECT 1)"]},
    ),
    "a method that is SQL": call(
        "history.transformed.series.readings",
        SERIES | {"metrics": [{"ref": "speed", "method": "pg_sleep"}]},
    ),
    "an operator that is SQL": call(
        "history.transformed.readings",
        {"limit": 1, "filterAnd": [{"column": "name", "operator": "= '' OR 1=1 --", "value": "x"}]},
    ),
    "a limit that is SQL": call("history.transformed.readings", {"limit": "1; DROP TABLE readings"}),
    # functions of others
    "call another project's device": call("{p2}.{od}.{a2}.DEV.measure"),
    "register as another project's device": register("{p2}.{od}.{a2}.DEV.measure"),
    "register as the other device": register("{p}.{d2}.{a}.DEV.measure", force_reregister=True),
    "register as the neighbour": register("{p}.{d}.{n}.DEV.measure"),
    "register as another stage": register("{p}.{d}.{a}.PROD.measure"),
    "register what the backend serves": register("append.{p}.{a}.readings", force_reregister=True),
    "register history": register("history.transformed.readings", force_reregister=True),
    "register a prefix of everything": register("", match="prefix"),
    "register beside the backend": register("history.transformed.readings", invoke="roundrobin"),
    # listening
    "hear everything": subscribe("", "prefix"),
    "hear everything of a form": subscribe("..", "wildcard"),
    "hear what is written in the own realm": subscribe("{p}.{a}.vault"),
    "hear what is written in bulk": subscribe("bulk.{p}.{a}.vault"),
    "hear what is written, by prefix": subscribe("{p}.", "prefix"),
    "hear who joins": subscribe("wamp.session.on_join"),
    "hear what is registered": subscribe("wamp.registration.", "prefix"),
    # the router
    "list sessions": call("wamp.session.list"),
    "count sessions": call("wamp.session.count"),
    "look at the first session": call("wamp.session.get", 1),
    "kill the backend": call("wamp.session.kill_by_authrole", "svc_fleetdb"),
    "kill by authid": call("wamp.session.kill_by_authid", "svc_fleetdb"),
    "list registrations": call("wamp.registration.list"),
    "remove a callee": call("wamp.registration.remove_callee", 1, 1),
    "list subscriptions": call("wamp.subscription.list"),
    "ask for old events": call("wamp.subscription.get_events", 1),
    "leave a testament": call("wamp.session.add_testament", "{p}.{a}.readings", [ROW], {}),
    "end a realm": call("ironflock.router.realm.end", "realm-1-1-dev"),
    "ask for a certificate": call("ironflock.realms.backend.certify", backend_key=1, epoch=1, public_key="x"),
    "list backends": call("ironflock.realms.backend.list"),
    "speak as somebody else": lambda scene: scene.thief.call(
        "history.transformed.vault",
        {"limit": 1},
        options={"forward_for": [{"session": 1, "authid": "admin", "authrole": "svc_fleetdb"}]},
    ),
    "choose who hears": publish("com.secret", 1, eligible_authrole=["app"]),
    "leave the backend out": publish("{p}.{a}.readings", ROW, exclude_authrole=["svc_fleetdb"]),
    # other apps
    "resolve another project's app": lambda scene: scene.thief.call("sys.appaccess.resolve", {"app": scene.other.name}),
    "resolve every app": call("sys.appaccess.resolve", {"app": "*"}),
    "resolve without a name": call("sys.appaccess.resolve", {}),
}


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_an_attempt_is_refused_and_touches_nobody(scene: Scene, name: str) -> None:
    with pytest.raises((WampError, ClosedError)) as refused:
        await ATTEMPTS[name](scene)
    if isinstance(refused.value, WampError):
        assert refused.value.uri in REFUSED, refused.value
        said = str((refused.value.details, refused.value.more))
        assert "d_" not in said.split("'")
    await _nobody_was_touched(scene)


REALMS: Final = (
    "realm-{p2}-{a2}-dev",
    "realm-{p2}-{a}-dev",
    "realm-{p}-{n}-dev",
    "realm-{p}-{a}-prod",
    "realm-{p}-{a}-DEV",
    "realm1",
    "ironflock.system",
)
AUTHIDS: Final = ("svc_fleetdb", "system", "1-1", "{serial}", "app-{n}-dev-e1@{serial}", "app-{a}-dev-e2@{serial}")


@pytest.mark.parametrize("realm", REALMS)
async def test_the_credential_opens_no_other_realm(scene: Scene, realm: str) -> None:
    for path in ("/ws-ua-usr", "/ws-re-dev", "/ws-usr", "/ws-svc"):
        assert await scene.joins(_filled(realm, scene), path) != "joined"


@pytest.mark.parametrize("authid", AUTHIDS)
async def test_the_secret_makes_nobody_else(scene: Scene, authid: str) -> None:
    serial = scene.stolen["DEVICE_SERIAL_NUMBER"]
    spelled = authid.format(serial=serial, a=scene.site.app, n=scene.neighbour)
    assert await scene.joins(f"realm-{scene.site.project}-{scene.site.app}-dev", authid=spelled) != "joined"


async def test_filters_and_columns_reach_nothing_but_the_table(scene: Scene) -> None:
    own = f"append.{scene.site.project}.{scene.site.app}.readings"
    await scene.thief.call(own, {"tsp": "2026-03-03T00:00:00Z", "speed": 1})
    uris: set[str] = set()
    sql = "(SELECT string_agg(datname, ',') FROM pg_database)"
    for query in (
        {"limit": 5, "columns": [sql]},
        {"limit": 5, "columns": ["extra"], "columnPaths": [f"extra.{sql}", "extra['a' || 'b']"]},
        {"limit": 5, "filterAnd": [{"column": sql, "operator": "=", "value": "x"}]},
        {"limit": 5, "filterAnd": [{"column": "name", "operator": "IN", "value": ["x') OR 1=1 --"]}]},
        {"limit": 5, "filterAnd": [{"column": "extra['a''b']", "operator": "=", "value": "'; SELECT 1 --"}]},
    ):
        try:
            rows = await scene.thief.call("history.transformed.readings", query)
        except WampError as error:
            uris.add(error.uri)
            continue
        assert all(set(row) <= {"tsp", "device_key", "authid", "extra", *_COLUMNS} for row in rows)
        assert "postgres" not in str(rows)
    assert uris <= REFUSED
    await _nobody_was_touched(scene)


_COLUMNS: Final = tuple(column["id"] for column in TEMPLATE["data"]["tables"][0]["columns"])


async def _nobody_was_touched(scene: Scene) -> None:
    for victim in scene.victims:
        (row,) = await victim.call("history.transformed.machines", {"limit": 100})
        assert row["name"] == "victim"
        assert await victim.call("history.transformed.readings", {"limit": 100}) == []
    assert scene.heard == []
