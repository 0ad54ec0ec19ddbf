"""What each process is told."""

import signal
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.endpoints import endpoints
from deploy.local.processes import (
    SERVICES,
    Process,
    child_environment,
    migrate_process,
    provisioner_process,
    router_processes,
    service_process,
)
from deploy.local.settings import local_settings
from deploy.local.welcome import welcome
from shared.settings import SettingsError

ENVIRON = {
    "PATH": "/usr/bin",
    "AWS_SECRET_ACCESS_KEY": "not for children",
    "PGPASSWORD": "not for children",
    "IRONFLOCK_LOCAL_STATE": "/state",
    "IRONFLOCK_LOCAL_HOST": "plant.example",
    "IRONFLOCK_LOCAL_BIND": "192.0.2.7",
    "IRONFLOCK_AUTH_FIRST_OWNER": "ann@plant.example",
    "IRONFLOCK_DEVICES_DEVICE_ENDPOINT_URL": "wss://outside.example/ws-re-dev",
}
SETTINGS = local_settings(ENVIRON)
TWO_CELLS = local_settings({**ENVIRON, "IRONFLOCK_LOCAL_CELLS": "2"})


def everything() -> list[Process]:
    services = [service_process(name, SETTINGS, ENVIRON) for name in SERVICES]
    others = [make(SETTINGS, ENVIRON) for make in (migrate_process, provisioner_process)]
    return [*router_processes(TWO_CELLS, ENVIRON), *others, *services]


def own(process: Process) -> dict[str, str]:
    start = f"IRONFLOCK_{process.name.upper()}_"
    return {name.removeprefix(start): text for name, text in process.environment.items() if name.startswith(start)}


def test_auth_is_told_what_the_contract_says() -> None:
    assert own(service_process("auth", SETTINGS, ENVIRON)) == {
        "OPS_PORT": "8449",
        "TLS_CERTIFICATE": "/state/tls/auth.pem",
        "TLS_KEY": "/state/tls/auth.key",
        "CA_FILE": "/state/ca/ca.pem",
        "BUS_URL": "wss://localhost:8444/ws-svc",
        "BUS_SECRET_FILE": "/state/secrets/bus/svc_auth",
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": "8446",
        "DATABASE_NAME": "ironflock",
        "DATABASE_PASSWORD_FILE": "/state/secrets/database/svc_auth",
        "MASTER_KEYS_FILE": "/state/secrets/master-keys.json",
        "PERSON_KEYS_FILE": "/state/secrets/person-keys.json",
        "FIRST_OWNER_KEY_FILE": "/state/owner-api-key",
        "FIRST_OWNER": "ann@plant.example",
        "PORT": "8441",
        "BIND": "192.0.2.7",
        "MAIL_FOLDER": "/state/mail",
        "CLIENTS_CA": "platform",
        "ISSUER": "https://plant.example:8441",
        "AUDIENCE": "https://plant.example:8445",
        "TUNNELS": "https://tunnels.localhost:8458",
    }


def test_auditors_reach_the_log_where_devices_and_people_reach_the_platform() -> None:
    told = own(service_process("audit", SETTINGS, ENVIRON))

    assert (told["PORT"], told["BIND"]) == ("8452", "192.0.2.7")


def test_the_gateway_is_told_what_the_contract_says() -> None:
    assert own(service_process("gateway", SETTINGS, ENVIRON)) == {
        "OPS_PORT": "8448",
        "TLS_CERTIFICATE": "/state/tls/gateway.pem",
        "TLS_KEY": "/state/tls/gateway.key",
        "CA_FILE": "/state/ca/ca.pem",
        "BUS_URL": "wss://localhost:8444/ws-svc",
        "BUS_SECRET_FILE": "/state/secrets/bus/svc_gateway",
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": "8446",
        "DATABASE_NAME": "ironflock",
        "DATABASE_PASSWORD_FILE": "/state/secrets/database/svc_gateway",
        "PORT": "8445",
        "BIND": "192.0.2.7",
        "URL": "https://plant.example:8445",
        "AGENT_UPDATES": "/state/agent-updates",
    }


def test_the_provisioner_is_told_of_the_database_and_its_ca_and_of_no_bus() -> None:
    assert own(provisioner_process(SETTINGS, ENVIRON)) == {
        "CA_FILE": "/state/ca/ca.pem",
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": "8446",
        "DATABASE_NAME": "ironflock",
        "DATABASE_PASSWORD_FILE": "/state/secrets/database/provisioner",
        "LOGIN_CA_CERTIFICATE": "/state/secrets/backend-login-ca/ca.pem",
        "LOGIN_CA_KEY_FILE": "/state/secrets/backend-login-ca/ca.key",
        "CLUSTERS_FOLDER": "/state/clusters",
    }


def test_each_cell_has_a_router_with_ports_and_a_certificate_of_its_own() -> None:
    [one] = router_processes(SETTINGS, ENVIRON)
    first, second = router_processes(TWO_CELLS, ENVIRON)
    start = "IRONFLOCK_ROUTER_"
    told = {name.removeprefix(start): text for name, text in second.environment.items() if name.startswith(start)}

    assert first == one
    assert (first.name, second.name) == ("router", "router-second")
    assert told == {
        "CELL": "second",
        "HOST": "plant.example",
        "BIND": "192.0.2.7",
        "PUBLIC_PORT": "8560",
        "SERVICE_PORT": "8561",
        "OPS_PORT": "8562",
        "TLS_CERTIFICATE": "/state/tls/router-second.pem",
        "TLS_KEY": "/state/tls/router-second.key",
        "SERVICE_SECRETS": "/state/secrets/bus",
    }


def test_every_service_is_told_of_every_cell() -> None:
    told = {own(service_process(name, TWO_CELLS, ENVIRON))["BUS_URL"] for name in SERVICES}

    assert told == {"wss://localhost:8444/ws-svc,second=wss://localhost:8561/ws-svc"}


def test_the_operator_may_say_what_devices_are_told() -> None:
    told = own(service_process("devices", SETTINGS, ENVIRON))

    assert told["DEVICE_ENDPOINT_URL"] == "wss://outside.example/ws-re-dev"
    assert told["UPDATE_URL"] == "https://plant.example:8445"


def test_every_process_is_told_where_traces_are_sent_unless_the_operator_says_otherwise() -> None:
    settings = evolve(SETTINGS, traces={"OTLP_ENDPOINT": "https://collector.example"})
    other = {"IRONFLOCK_AUTH_OTLP_ENDPOINT": "https://other.example"}

    told = {name: own(service_process(name, settings, other)).get("OTLP_ENDPOINT") for name in SERVICES}

    assert told == {**dict.fromkeys(SERVICES, "https://collector.example"), "auth": "https://other.example"}
    assert "OTLP_ENDPOINT" not in own(service_process("auth", SETTINGS, {}))
    assert own(provisioner_process(settings, {}))["OTLP_ENDPOINT"] == "https://collector.example"
    router = own(router_processes(settings, {})[0])
    assert router["OTLP_ENDPOINT"] == "https://collector.example"
    assert router["OTLP_CA_FILE"] == own(service_process("auth", settings, {}))["CA_FILE"]
    named = evolve(settings, traces={**settings.traces, "OTLP_CA_FILE": "/other.pem"})
    assert own(router_processes(named, {})[0])["OTLP_CA_FILE"] == "/other.pem"
    assert not [name for name in own(router_processes(SETTINGS, {})[0]) if name.startswith("OTLP")]


def test_no_process_learns_of_anything_but_its_own_variables() -> None:
    for process in everything():
        foreign = [name for name in process.environment if name.startswith("IRONFLOCK_") and name.count("_") > 1]
        start = f"IRONFLOCK_{process.name.removesuffix('-second').upper()}_"
        assert all(name.startswith(start) for name in foreign), process.name
        assert not {"AWS_SECRET_ACCESS_KEY", "PGPASSWORD"} & process.environment.keys()


def test_given_a_variable_that_the_launcher_decides_when_the_operator_sets_it_then_it_is_refused_by_its_name() -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_AUTH_DATABASE_PORT"):
        service_process("auth", SETTINGS, {"IRONFLOCK_AUTH_DATABASE_PORT": "1"})


NAMES = st.text("ABC_", min_size=1, max_size=6)


@given(
    defaults=st.dictionaries(NAMES, st.text()),
    theirs=st.dictionaries(NAMES, st.text()),
    ours=st.dictionaries(NAMES, st.text()),
)
def test_the_launchers_word_beats_the_operators_and_that_beats_a_default(
    defaults: dict[str, str], theirs: dict[str, str], ours: dict[str, str]
) -> None:
    environ = {f"IRONFLOCK_X_{name}": text for name, text in theirs.items() if name not in ours}

    made = child_environment("X", environ, fixed=ours, defaults=defaults)

    assert made == {f"IRONFLOCK_X_{name}": text for name, text in {**defaults, **theirs, **ours}.items()}


def test_a_leashed_process_names_its_parent_its_last_signal_and_its_user() -> None:
    process = Process("x", ("/bin/true", "--flag"), {}, Path("/"), orphan_signal=signal.SIGINT)

    assert process.leashed(17)[-7:] == ["17", "2", "-1", "-1", "-1", "/bin/true", "--flag"]


def test_a_process_shown_in_a_log_does_not_show_its_environment() -> None:
    assert "IRONFLOCK_AUTH" not in repr(service_process("auth", SETTINGS, ENVIRON))


def test_whoever_starts_the_platform_is_told_where_people_sign_in_and_no_secret() -> None:
    told = welcome(SETTINGS, whole=True)

    assert "https://plant.example:8441" in told
    assert "flockctl account setup" in told
    assert "/state/owner-api-key" in told
    assert "8441" not in welcome(SETTINGS, whole=False)


def test_the_endpoints_are_those_of_the_contract() -> None:
    content = endpoints(SETTINGS)

    assert content["router"] == {
        "devices": "wss://plant.example:8443/ws-re-dev",
        "people": "wss://plant.example:8443/ws-usr",
        "apps": "wss://plant.example:8443/ws-ua-usr",
        "services": "wss://localhost:8444/ws-svc",
    }
    assert content["gateway"] == "https://plant.example:8445"
    assert content["accounts"] == "https://plant.example:8441"
    assert content["audit"] == "https://plant.example:8452/audit"
    assert content["mail_folder"] == "/state/mail"
    assert content["postgres"] == {"host": "localhost", "port": 8446, "database": "ironflock"}
    assert content["owner_api_key_file"] == "/state/owner-api-key"
    assert content["plaintext_ports"] == []
    assert content["more_routers"] == {}
    assert endpoints(TWO_CELLS)["more_routers"] == {
        "second": {
            "devices": "wss://plant.example:8560/ws-re-dev",
            "people": "wss://plant.example:8560/ws-usr",
            "apps": "wss://plant.example:8560/ws-ua-usr",
            "services": "wss://localhost:8561/ws-svc",
        }
    }
    assert content["version"] == 1
