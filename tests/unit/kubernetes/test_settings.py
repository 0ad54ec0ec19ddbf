"""Each process finds every setting that it needs and none that it does not know, by its own reading of them."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.bootstrap.__main__ import bootstrap_settings
from deploy.flockctl.doctor.within import read_within
from deploy.installation.secrets import ensure_secrets, handed, with_nodes
from deploy.migrate.__main__ import migrate_settings
from deploy.scheduled.installed import read_installed
from ironflock_router.settings import RouterSettings
from services.audit import settings as audit
from services.auth import settings as auth
from services.devices import settings as devices
from services.fleetdb import settings as fleetdb
from services.gateway import settings as gateway
from services.privileges import settings as privileges
from services.realms import settings as realms
from services.realms.provisioner import settings as provisioner
from services.tunnels import settings as tunnels
from shared.settings import Settings, SettingsError
from tests.harness.kubernetes import Manifest, composed_text, values_of
from tests.unit.kubernetes.processes import Started, mounts, started

READERS: dict[str, Callable[[Mapping[str, str]], Any]] = {
    "AUDIT": lambda environ: audit.read(Settings("AUDIT", environ)),
    "AUTH": lambda environ: auth.read(Settings("AUTH", environ)),
    "DEVICES": lambda environ: devices.read(Settings("DEVICES", environ)),
    "FLEETDB": lambda environ: fleetdb.read(Settings("FLEETDB", environ)),
    "GATEWAY": lambda environ: gateway.read(Settings("GATEWAY", environ)),
    "PRIVILEGES": lambda environ: privileges.read(Settings("PRIVILEGES", environ)),
    "REALMS": lambda environ: realms.read(Settings("REALMS", environ)),
    "TUNNELS": lambda environ: tunnels.read(Settings("TUNNELS", environ)),
    "PROVISIONER": lambda environ: provisioner.read(Settings("PROVISIONER", environ)),
    "ROUTER": RouterSettings.from_environment,
    "MIGRATE": migrate_settings,
    "BACKUP": read_installed,
    "DOCTOR": read_within,
    "BOOTSTRAP": bootstrap_settings,
}
CERTIFICATE = {"tls.crt", "tls.key", "ca.crt"}
NOT_LISTENED_ON = ("DATABASE_PORT", "CLUSTER_PORT", "TUNNELS_PUBLIC_PORT")


def ours(manifests: list[Manifest]) -> list[Started]:
    return [each for each in started(manifests) if any(name.startswith("IRONFLOCK_") for name in own(each))]


def own(process: Started) -> set[str]:
    return {each["name"] for each in process.container["env"]}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The keys and values of every Secret by its name."""
    found = with_nodes(ensure_secrets(tmp_path_factory.mktemp("safe") / "secrets"))
    return {each.name: {key: found[path] for key, path in each.files.items()} for each in handed()}


def on_disk(process: Started, secrets: dict[str, dict[str, str]], folder: Path) -> dict[str, str]:
    """The process's variables, each path in them below `folder`, where its volumes are filled as they would be."""
    for path, volume in mounts(process).items():
        place = folder / path.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        if "secret" in volume:
            name = volume["secret"]["secretName"]
            for key, value in secrets.get(name, dict.fromkeys(CERTIFICATE, "pem")).items():
                (place / key).write_text(value, encoding="utf-8")
    return {
        name: str(folder / value.lstrip("/")) if value.startswith("/") and name in own(process) else value
        for name, value in process.environ.items()
    }


def test_each_process_reads_its_settings(
    overlay: list[Manifest], secrets: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    seen = set()
    for at, process in enumerate(ours(overlay)):
        seen.add(process.prefix)
        READERS[process.prefix](on_disk(process, secrets, tmp_path / str(at)))

    assert seen == READERS.keys()


def test_each_setting_in_a_manifest_is_needed_or_known(
    render: Callable[[str], list[Manifest]], secrets: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    for at, process in enumerate(ours(render("one-node"))):
        environ = on_disk(process, secrets, tmp_path / str(at))
        with pytest.raises(SettingsError, match="MISSPELT"):
            READERS[process.prefix]({**environ, f"IRONFLOCK_{process.prefix}_MISSPELT": "1"})


def test_a_container_has_no_variable_of_another_process(overlay: list[Manifest]) -> None:
    for process in ours(overlay):
        assert {name.split("_")[1] for name in own(process) if name.startswith("IRONFLOCK_")} == {process.prefix}


def test_every_secret_is_a_file(overlay: list[Manifest]) -> None:
    for process in started(overlay):
        assert not [each for each in process.container["env"] if "secretKeyRef" in each.get("valueFrom", {})]
        assert {tuple(each) for each in process.container["envFrom"]} == {("configMapRef",)}


def test_every_path_lies_in_a_volume_or_in_the_image(overlay: list[Manifest]) -> None:
    for process in ours(overlay):
        places = mounts(process)
        for name in own(process):
            value = process.environ[name]
            if value.startswith("/"):
                assert any(value == place or value.startswith(f"{place}/") for place in places), (name, value)


def test_every_secret_that_is_mounted_is_made_and_is_its_own(overlay: list[Manifest]) -> None:
    """A pod is handed the Secrets of its own name; those of others only where the table here says so."""
    ordered = {each["spec"]["secretName"] for each in overlay if each["kind"] == "Certificate"}
    # Who is believed, and who opens a backup, no process is: an operator has both made.
    made = {each.name for each in handed()} | {"trust", "backup-identity"}
    besides = {
        "provisioner": {"backend-login-ca"},
        "router-second": {"router"},
        **{name: {"backup", "internal-ca", "backend-login-ca"} for name in ("backup-nightly", "backup-log")},
        "backup-drill": {"backup", "internal-ca", "backend-login-ca", "backup-identity"},
        "schema": {"bootstrap", "migrate", "postgres-superuser"},
    }
    for process in started(overlay):
        volumes = process.pod["spec"]["volumes"]
        mounted = {each["secret"]["secretName"] for each in volumes if "secret" in each}
        name = process.workload
        assert mounted <= ordered | made, mounted
        assert mounted <= {name, "trust", f"{name}-tls", f"{name}-inside-tls"} | besides.get(name, set())


def test_every_port_of_a_service_is_one_that_the_process_listens_on(overlay: list[Manifest]) -> None:
    listening: dict[str, set[int]] = {}
    names: dict[str, dict[str, int]] = {}
    for process in ours(overlay):
        listening.setdefault(process.workload, set()).update(listened_on(process))
        names.setdefault(process.workload, {}).update(
            {each["name"]: each["containerPort"] for each in process.container.get("ports", [])}
        )
        assert set(names[process.workload].values()) <= listening[process.workload]
    for each in overlay:
        selector = each["spec"].get("selector", {}) if each["kind"] == "Service" else {}
        name = selector.get("app.kubernetes.io/name", "")
        for port in each["spec"]["ports"] if name in names else []:
            target = port.get("targetPort", port["port"])
            assert (names[name][target] if isinstance(target, str) else target) in listening[name]


def listened_on(process: Started) -> set[int]:
    found = set()
    for name in own(process):
        if name.endswith("PORT") and not name.endswith(NOT_LISTENED_ON):
            found.add(int(process.environ[name]))
        if name.endswith("RAW_PORTS"):
            first, last = map(int, process.environ[name].split("-"))
            found |= set(range(first, last + 1))
    return found


def test_every_listener_is_reached_from_outside_the_pod(overlay: list[Manifest]) -> None:
    """A process that binds to its loopback address would be there for nobody."""
    for process in ours(overlay):
        binds = {name: process.environ[name] for name in own(process) if name.endswith("BIND")}
        wanted = 1 if process.container.get("ports") else 0
        assert len(binds) >= wanted
        assert set(binds.values()) <= {"0.0.0.0"}  # noqa: S104 - a pod has an address of its own
        said = {each.get("value") for each in process.container["env"] if each["name"].endswith("BIND")}
        assert said <= {"$(BIND)"}, "the site says for all whether it is of IPv6"


def test_everybody_believes_the_bundle_and_nobody_what_lies_beside_a_certificate(overlay: list[Manifest]) -> None:
    for process in started(overlay):
        told = {name: value for name, value in process.environ.items() if name.endswith(("CA_FILE", "SSL_CERT_FILE"))}
        if process.workload not in ("router", "router-second"):
            assert set(told.values()) == {"/run/trust/ca.crt"}, process.workload
            assert mounts(process)["/run/trust"]["secret"]["secretName"] == "trust"
    believed = {
        kind: {found for each in overlay if each["kind"] == kind for found in re.findall(pattern, json.dumps(each))}
        for kind, pattern in (
            ("Cluster", r'"(?:server|client)CASecret": "([a-z-]+)"'),
            ("ServiceMonitor", r'"ca": {"secret": {"key": "ca.crt", "name": "([a-z-]+)"}}'),
            ("ConfigMap", r'\\"ca_file\\": \\"([a-z/.]+)\\"'),
        )
    }
    assert believed["Cluster"] == {"trust", "backend-login-trust"}
    assert believed["ServiceMonitor"] <= {"trust"}
    assert believed["ConfigMap"] <= {"/run/trust/ca.crt"}


def test_the_next_authority_signs_by_one_component(render: Callable[[str], list[Manifest]]) -> None:
    parts = ("components/postgres", "components/backups", "components/next-authority", "site")
    render("one-node")  # skips where there is no kustomize
    signing = {
        each["metadata"]["name"]: each["spec"]["ca"]["secretName"]
        for each in values_of(composed_text(*parts))
        if each["kind"] == "Issuer" and "ca" in each["spec"]
    }
    assert signing == {
        "inside": "internal-ca-next",
        "public": "internal-ca-next",
        "backend-login": "backend-login-ca-next",
    }
    for process in started(values_of(composed_text(*parts))):
        for path, name in (("/run/login-ca", "backend-login-ca-next"), ("/run/authority", "internal-ca-next")):
            if path in mounts(process):
                assert mounts(process)[path]["secret"]["secretName"] == name


def test_secrets_in_manifests_are_those_of_the_folder(tmp_path: Path) -> None:
    found = ensure_secrets(tmp_path / "safe")
    assert found == ensure_secrets(tmp_path / "safe")
    keys = json.loads(found["master-keys/auth"])
    assert len(base64.b64decode(keys["keys"][keys["active"]])) == 32
