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
BACKUPS = {"backup-nightly", "backup-log", "backup-drill"}
STRANGERS = [
    Pod("a stranger", "default", {"app.kubernetes.io/name": "gateway"}, {}),
    Pod("an intruder", NAMESPACE, {"app": "intruder"}, {}),
    Pod("postgres", NAMESPACE, {"cnpg.io/cluster": "postgres"}, {}),
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
    ("realms", 9443): set(),
    ("provisioner", 9443): set(),
}


def pods(manifests: list[Manifest]) -> dict[str, Pod]:
    """Every pod that there can be, by its name."""
    found = {each.name: each for each in STRANGERS}
    for each in manifests:
        if each["kind"] in WORKLOADS and part_of(each) == "ironflock":
            template = template_of(each)
            ports = [port for container in template["spec"]["containers"] for port in container.get("ports", [])]
            name = each["metadata"]["name"]
            named = {port["name"]: port["containerPort"] for port in ports}
            found[name] = Pod(name, NAMESPACE, template["metadata"]["labels"], named)
    return found


def reached(manifests: list[Manifest], target: str, port: int) -> set[str]:
    known = pods(manifests)
    return reachers(manifests, known.values(), known[target], port) - {target} | (
        {target} & reachers(manifests, known.values(), known[target], port) if target == "postgres" else set()
    )


# What the frps nodes, the second cell and Prometheus add. Whatever devices offer at a node is for tunnels alone.
REACHED_AT_SCALE: dict[tuple[str, int], set[str]] = {
    **{where: who for where, who in REACHED.items() if where[1] != 9443},
    ("frps-0", 7000): {"a stranger", "the operator", "prometheus", "tunnels"},
    ("frps-0", 8080): {"tunnels"},
    ("frps-0", 8444): {"tunnels"},
    ("frps-0", 7510): {"tunnels"},
    ("tunnels", 7443): {"frps-0", "frps-1"},
    ("router-second", 8444): SERVICES,
    ("router-second", 8443): {"a stranger", "the operator", "prometheus"},
    **{(name, 9443): {"prometheus"} for name in (*SERVICES, "router", "router-second")},
}


@pytest.mark.parametrize(("target", "port"), sorted(REACHED_AT_SCALE))
def test_nobody_reaches_more_at_scale(render: Callable[[str], list[Manifest]], target: str, port: int) -> None:
    assert reached(render("scale-out"), target, port) == REACHED_AT_SCALE[target, port]


@pytest.mark.parametrize(("target", "port"), sorted(REACHED))
def test_nobody_reaches_more_than_the_table_says(
    render: Callable[[str], list[Manifest]], target: str, port: int
) -> None:
    assert reached(render("one-node"), target, port) == REACHED[target, port]


# (an address outside, port): whose connections are let out to it.
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

    assert found == WORLD[address, port]


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
    assert "a stranger" in reachers(manifests, known.values(), known["tunnels"], known["tunnels"].ports["edge"])
    assert reachers(manifests, known.values(), controller, 8443) == {"tunnels"} | OUTSIDE_OF_US
