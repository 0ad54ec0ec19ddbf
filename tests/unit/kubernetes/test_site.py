"""The one file that an operator changes reaches everything that says a name, and does not contradict itself."""

import re
from collections.abc import Callable

from deploy.installation.secrets import handed
from tests.harness.kubernetes import MANIFESTS, Manifest, composed_text, values_of
from tests.unit.kubernetes.processes import started

CERTIFIED = {
    "auth": ["ACCOUNTS_HOST"],
    "gateway": ["GATEWAY_HOST"],
    "router": ["DEVICES_HOST"],
    "fleetdb": ["SQL_HOST"],
    "audit": ["AUDIT_HOST"],
    "tunnels": ["TUNNEL_DOMAIN", "TUNNEL_WILDCARD"],
}


def site_of(manifests: list[Manifest]) -> dict[str, str]:
    found: dict[str, str] = next(
        each["data"]
        for each in manifests
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].startswith("site")
    )
    return found


def test_agents_find_tunnels_at_the_name_that_they_make_of_the_router_s(overlay: list[Manifest]) -> None:
    site = site_of(overlay)

    assert site["TUNNEL_DOMAIN"] == "app." + site["DEVICES_HOST"].partition(".")[2]
    assert site["TUNNEL_WILDCARD"] == f"*.{site['TUNNEL_DOMAIN']}"


def test_each_name_has_its_certificate(overlay: list[Manifest]) -> None:
    site = site_of(overlay)
    for name, said in CERTIFIED.items():
        names = [
            each["spec"]["dnsNames"]
            for each in overlay
            if each["kind"] == "Certificate" and each["metadata"]["name"] == name
        ]
        assert names == [[site[each] for each in said]]


def test_the_second_cell_has_a_name_of_its_own_from_which_agents_make_the_same_one_of_tunnels(
    render: Callable[[str], list[Manifest]],
) -> None:
    manifests = render("scale-out")
    site = site_of(manifests)
    [names] = [
        each["spec"]["dnsNames"]
        for each in manifests
        if each["kind"] == "Certificate" and each["metadata"]["name"] == "router-second"
    ]

    assert names == [site["SECOND_DEVICES_HOST"]] != [site["DEVICES_HOST"]]
    assert "app." + names[0].partition(".")[2] == site["TUNNEL_DOMAIN"]


def test_each_name_in_an_ingress_is_the_site_s() -> None:
    manifests = values_of(composed_text("components/postgres", "site", "components/tls-passthrough"))
    hosts = [rule["host"] for each in manifests if each["kind"] == "Ingress" for rule in each["spec"]["rules"]]

    assert set(hosts) <= {
        value for name, value in site_of(manifests).items() if name.endswith(("HOST", "DOMAIN", "WILDCARD"))
    }
    assert len(hosts) == len(set(hosts)) == 6


def test_a_port_that_is_not_443_stands_in_every_url(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("one-node")
    environ = {name: value for process in started(manifests) for name, value in process.environ.items()}
    ports = {
        each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in manifests if each["kind"] == "Service"
    }

    for variable, service in (
        ("IRONFLOCK_AUTH_ISSUER", "auth"),
        ("IRONFLOCK_AUTH_AUDIENCE", "gateway"),
        ("IRONFLOCK_GATEWAY_URL", "gateway"),
        ("IRONFLOCK_TUNNELS_ISSUER", "auth"),
        ("IRONFLOCK_AUTH_TUNNELS", "tunnels"),
    ):
        assert environ[variable].endswith(f":{ports[service]}")
    assert f":{ports['router']}/" in environ["IRONFLOCK_DEVICES_DEVICE_ENDPOINT_URL"]
    assert environ["IRONFLOCK_TUNNELS_PUBLIC_PORT"] == str(ports["tunnels"])


def test_whoever_is_inside_is_found_under_the_name_in_its_certificate(overlay: list[Manifest]) -> None:
    certified = {name for each in overlay if each["kind"] == "Certificate" for name in each["spec"].get("dnsNames", [])}
    site = site_of(overlay)
    buses = {process.environ["BUS_URL"] for process in started(overlay)}
    dialled = {site["DATABASE_HOST"], *(name for each in buses for name in re.findall(r"wss://([^:/]+):", each))}
    monitored = {
        end["tlsConfig"]["serverName"]
        for each in overlay
        if each["kind"] in ("ServiceMonitor", "PodMonitor")
        for end in each["spec"].get("endpoints") or each["spec"]["podMetricsEndpoints"]
    }

    assert dialled | monitored <= certified


def test_what_a_store_has_is_what_processes_are_handed() -> None:
    manifests = values_of(composed_text("components/postgres", "components/external-secrets", "site"))
    said = {
        each["metadata"]["name"]: {row["secretKey"]: row["remoteRef"]["key"] for row in each["spec"]["data"]}
        for each in manifests
        if each["kind"] == "ExternalSecret"
    }

    assert said == {each.name: {key: f"ironflock/{path}" for key, path in each.files.items()} for each in handed()}


def test_names_of_an_installation_stand_nowhere_else() -> None:
    """In the base there are those alone that the site's replace: what else says one would not change with the site."""
    saying = [file.name for file in (MANIFESTS / "base").rglob("*.yaml") if "ironflock.example" in file.read_text()]

    assert saying == ["certificates.yaml"]
    said = re.findall(r"\S*ironflock\.example", (MANIFESTS / "base" / "certificates.yaml").read_text())
    assert len(said) == sum(len(each) for each in CERTIFIED.values())
