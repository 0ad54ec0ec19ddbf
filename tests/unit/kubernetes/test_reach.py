"""The database, the router and the log are reached by those who must, derived from the policies, and by nobody else."""

import ipaddress
from collections.abc import Callable

import pytest

from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import Manifest, composed_text, values_of
from tests.unit.kubernetes.processes import WORKLOADS, part_of, template_of
from tests.unit.kubernetes.reach import Pod, reachers

NAMESPACE = "ironflock"
SERVICES = {"audit", "auth", "devices", "fleetdb", "gateway", "privileges", "realms", "tunnels"}
OUTSIDE = {
    "a stranger",  # of another namespace of the cluster
    "an intruder",  # a pod in our namespace that nobody knows
}
OUTSIDE_OF_US = {"a stranger", "the operator", "prometheus"}
"""No policy of ours speaks of them."""
DATABASES = {"postgres", "postgres-second"}
"""Of each there are several, who reach one another."""
BACKUPS = {"backup-nightly", "backup-log", "backup-drill", "doctor"}
"""They reach the database servers."""
STRANGERS = [
    Pod("a stranger", "default", {"app.kubernetes.io/name": "gateway"}, {}),
    Pod("an intruder", NAMESPACE, {"app": "intruder"}, {}),
    Pod("the operator", "cnpg-system", {"app.kubernetes.io/name": "cloudnative-pg"}, {}),
    Pod("prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"}, {}),
]
# (who is asked, port): who reaches it. Whoever comes from outside comes as a stranger does.
REACHED: dict[tuple[str, int], set[str]] = {
    ("postgres", 5432): SERVICES | BACKUPS | {"provisioner", "schema", "postgres"},
    ("postgres", 8000): {"postgres", "the operator"},
    ("router", 8444): SERVICES,
    ("router", 8443): {"a stranger", "the operator", "prometheus"},
    ("audit", 8443): {"a stranger", "the operator", "prometheus"},
    ("auth", 8443): {"a stranger", "the operator", "prometheus", "tunnels"},
    ("gateway", 8443): {"a stranger", "the operator", "prometheus"},
    ("fleetdb", 5433): {"a stranger", "the operator", "prometheus"},
    ("realms", 9443): {"doctor"},
    ("provisioner", 9443): set(),
    ("postgres", 9187): set(),
}


def pods(manifests: list[Manifest]) -> dict[str, Pod]:
    """Every pod that there can be, by its name."""
    found = {each.name: each for each in STRANGERS}
    for each in manifests:
        if each["kind"] == "Cluster":
            name = each["metadata"]["name"]
            found[name] = Pod(name, NAMESPACE, {"cnpg.io/cluster": name}, {})
        if each["kind"] in WORKLOADS and part_of(each) == "ironflock":
            template = template_of(each)
            ports = [port for container in template["spec"]["containers"] for port in container.get("ports", [])]
            name = each["metadata"]["name"]
            named = {port["name"]: port["containerPort"] for port in ports}
            found[name] = Pod(name, NAMESPACE, template["metadata"]["labels"], named)
    return found


def reached(manifests: list[Manifest], target: str, port: int) -> set[str]:
    known = pods(manifests)
    found = reachers(manifests, known.values(), known[target], port)
    return found if target in DATABASES else found - {target}


# What the frps nodes, the second cell, the second database server and Prometheus add. What devices offer at a node is
# for tunnels alone.
REACHED_AT_SCALE: dict[tuple[str, int], set[str]] = {
    **{where: who for where, who in REACHED.items() if where[1] != 9443},
    ("frps-0", 7000): {"a stranger", "the operator", "prometheus", "tunnels"},
    ("frps-0", 8080): {"tunnels"},
    ("frps-0", 8444): {"tunnels"},
    ("frps-0", 7510): {"tunnels"},
    ("tunnels", 7443): {"frps-0", "frps-1"},
    ("postgres-second", 5432): {"fleetdb", "provisioner", "schema", "postgres-second"} | BACKUPS,
    ("postgres-second", 8000): {"postgres-second", "the operator"},
    ("router-second", 8444): SERVICES,
    ("router-second", 8443): {"a stranger", "the operator", "prometheus"},
    **{(name, 9443): {"prometheus", "doctor"} for name in (*SERVICES, "router")},
    ("router-second", 9443): {"prometheus"},
    ("provisioner", 9443): set(),
    ("postgres", 9187): {"prometheus"},
}


@pytest.mark.parametrize(("target", "port"), sorted(REACHED_AT_SCALE))
def test_nobody_reaches_more_at_scale(render: Callable[[str], list[Manifest]], target: str, port: int) -> None:
    assert reached(render("scale-out"), target, port) == REACHED_AT_SCALE[target, port]


@pytest.mark.parametrize(("target", "port"), sorted(REACHED))
def test_nobody_reaches_more_than_the_table_says(
    render: Callable[[str], list[Manifest]], target: str, port: int
) -> None:
    assert reached(render("one-node"), target, port) == REACHED[target, port]


# (an address outside, port): whose connections are let out to it; those of the second database server as the first's.
WORLD = {
    ("198.51.100.7", 443): {"audit", "auth", "devices", "tunnels", "postgres"},
    ("198.51.100.7", 465): {"auth"},
    ("198.51.100.7", 6514): {"audit"},
    ("198.51.100.7", 5432): set(),
    ("2001:db8::7", 443): {"audit", "auth", "devices", "tunnels", "postgres"},
    ("10.42.0.9", 443): {"postgres"},
    ("172.16.0.9", 465): set(),
    ("192.168.1.9", 443): {"postgres"},
    ("100.64.0.9", 443): {"postgres"},
    ("fd00::9", 443): {"postgres"},
    ("169.254.169.254", 443): set(),
    ("127.0.0.1", 443): set(),
    ("fe80::9", 443): set(),
    ("::ffff:169.254.169.254", 443): set(),
}


@pytest.mark.parametrize(("address", "port"), sorted(WORLD))
@pytest.mark.parametrize("overlay", ["one-node", "scale-out"])
def test_who_talks_to_the_world_does_not_talk_to_what_is_inside(
    render: Callable[[str], list[Manifest]], overlay: str, address: str, port: int
) -> None:
    manifests = render(overlay)
    known = [each for each in pods(manifests).values() if each.namespace == NAMESPACE]

    found = reachers(manifests, known, Pod("a machine", "", {}, {}, address), port)

    databases = {each.name for each in known} & DATABASES if "postgres" in WORLD[address, port] else set()
    assert found == WORLD[address, port] | databases


def test_no_policy_has_an_exception_that_an_api_server_takes_for_ipv4(overlay: list[Manifest]) -> None:
    """Go knows no IPv4 in IPv6: such an exception is outside of ::/0, and the whole policy is refused."""
    found = [
        ipaddress.ip_network(exception)
        for each in overlay
        if each["kind"] == "NetworkPolicy"
        for rule in each["spec"].get("egress", [])
        for peer in rule.get("to", [])
        for exception in peer.get("ipBlock", {}).get("except", [])
    ]

    assert found
    assert not [each for each in found if each.version == 6 and each.network_address.ipv4_mapped is not None]


def changed(manifests: list[Manifest], name: str, change: Callable[[Manifest], object]) -> list[Manifest]:
    for each in manifests:
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == name:
            change(each["spec"])
    return manifests


@pytest.mark.parametrize(
    ("name", "change", "more"),
    [
        ("postgres", lambda spec: spec["ingress"][0].pop("from"), {"the operator", "prometheus", "a stranger"}),
        ("postgres", lambda spec: spec["ingress"][0]["from"].append({"namespaceSelector": {}}), {"a stranger"}),
        ("database", lambda spec: spec["podSelector"].clear(), set()),
        ("nobody", lambda spec: spec.update(podSelector={"matchLabels": {"of": "nobody"}}), set()),
    ],
)
def test_a_policy_that_is_torn_open_is_seen(
    render: Callable[[str], list[Manifest]], name: str, change: Callable[[Manifest], object], more: set[str]
) -> None:
    found = reached(changed(render("one-node"), name, change), "postgres", 5432)

    assert found - REACHED["postgres", 5432] >= more
    assert found >= REACHED["postgres", 5432]


@pytest.mark.parametrize(
    ("name", "change", "more"),
    [
        ("postgres-second", lambda spec: spec["ingress"][0].pop("from"), {"the operator", "prometheus", "a stranger"}),
        ("postgres-second", lambda spec: spec["ingress"][0]["from"].append({"namespaceSelector": {}}), {"a stranger"}),
        ("postgres-second", lambda spec: spec["ingress"].clear(), set()),
    ],
)
def test_a_policy_of_the_second_one_that_is_changed_is_seen(
    render: Callable[[str], list[Manifest]], name: str, change: Callable[[Manifest], object], more: set[str]
) -> None:
    found = reached(changed(render("scale-out"), name, change), "postgres-second", 5432)

    assert found != REACHED_AT_SCALE["postgres-second", 5432]
    assert found >= more


def test_a_database_that_is_there_already_is_reached_by_those_who_must() -> None:
    try:
        manifests = values_of(composed_text("components/external-database", "components/backups", "site"))
    except NoProgramError as error:
        pytest.skip(str(error))
    known = [each for each in pods(manifests).values() if each.namespace == NAMESPACE]
    servers = {address: Pod("the server", "", {}, {}, address) for address in ("192.0.2.10", "192.0.2.11")}

    found = {address: reachers(manifests, known, server, 5432) for address, server in servers.items()}

    assert found == {"192.0.2.10": SERVICES | BACKUPS | {"provisioner", "schema"}, "192.0.2.11": set()}


@pytest.mark.parametrize("port", [5432, 8444])
def test_without_any_policy_everybody_reaches_everything(render: Callable[[str], list[Manifest]], port: int) -> None:
    open_to_all = [each for each in render("one-node") if each["kind"] != "NetworkPolicy"]
    target = "postgres" if port == 5432 else "router"

    assert reached(open_to_all, target, port) | {target} == set(pods(open_to_all))


@pytest.mark.parametrize(("target", "port"), [("auth", 8443), ("gateway", 8443), ("router", 8443), ("tunnels", 8443)])
def test_behind_one_address_nobody_but_the_ingress_controller_says_who_comes(target: str, port: int) -> None:
    try:
        manifests = values_of(composed_text("components/postgres", "site", "components/tls-passthrough"))
    except NoProgramError as error:
        pytest.skip(str(error))
    controller = Pod("the controller", "haproxy-controller", {"run": "haproxy-ingress"}, {})
    known = pods(manifests)

    assert reachers(manifests, [*known.values(), controller], known[target], port) == {"the controller"}
    assert reachers(manifests, known.values(), controller, 8443) == {"tunnels"} | OUTSIDE_OF_US


@pytest.mark.parametrize(("target", "port"), [("tunnels", 7000), ("router-second", 8443)])
def test_what_keeps_an_address_of_its_own_is_reached_by_nobody_who_could_say_that_it_is_another(
    target: str, port: int
) -> None:
    try:
        manifests = values_of(
            composed_text("components/postgres", "components/second-cell", "site", "components/tls-passthrough")
        )
    except NoProgramError as error:
        pytest.skip(str(error))
    [site] = [each["data"] for each in manifests if "IRONFLOCK_TUNNELS_PROXIES" in each.get("data", {})]
    assert site["IRONFLOCK_TUNNELS_PROXIES"] == site["IRONFLOCK_ROUTER_PROXIES"]
    believed = ipaddress.ip_network(site["IRONFLOCK_TUNNELS_PROXIES"])
    callers = [Pod(str(address), "", {}, {}, str(address)) for address in (believed[7], "198.51.100.7", "2001:db8::7")]

    assert reachers(manifests, callers, pods(manifests)[target], port) == {"198.51.100.7", "2001:db8::7"}
