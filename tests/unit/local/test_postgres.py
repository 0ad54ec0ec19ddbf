"""PostgreSQL's configuration as text."""

import signal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.postgres import FIXED, Cluster, access_rules, configuration, own_values, postgres_process, quoted
from deploy.local.settings import local_settings

SETTINGS = local_settings({"IRONFLOCK_LOCAL_STATE": "/it's here"})
CLUSTER = Cluster(Path("/it's here/postgres/program"), Path("/it's here/postgres"), None)


def test_the_access_rules_know_scram_and_certificates_over_tls_and_refusal_only() -> None:
    rules = [line.split() for line in access_rules().splitlines() if not line.startswith("#")]

    assert {(rule[0], rule[-1]) for rule in rules} == {
        ("hostssl", "scram-sha-256"),
        ("hostssl", "cert"),
        ("hostssl", "reject"),
        ("hostnossl", "reject"),
    }
    assert all(rule[3] == "127.0.0.1/32" for rule in rules if rule[-1] != "reject")


def test_a_certificate_opens_the_one_database_that_is_called_as_a_role_of_the_login() -> None:
    rules = [line.split()[1:3] for line in access_rules().splitlines() if line.endswith("cert")]
    passwords = {tuple(line.split()[1:3]) for line in access_rules().splitlines() if line.endswith("scram-sha-256")}

    assert rules == [["samerole", "+backend_login"]]
    assert ("ironflock,samerole", "provisioner") in passwords
    assert not [who for _, who in passwords if "backend_login" in who or who == "all"]


def test_what_backends_may_use_up_is_bounded() -> None:
    assert FIXED["temp_file_limit"] == "1GB"
    assert 0 < int(FIXED["reserved_connections"]) < int(FIXED["max_connections"]) / 2


def test_the_configuration_has_no_way_in_but_tls_on_the_loopback_address() -> None:
    lines = configuration(own_values(SETTINGS, CLUSTER)).splitlines()

    assert "listen_addresses = '127.0.0.1'" in lines
    assert "unix_socket_directories = ''" in lines
    assert "ssl = 'on'" in lines
    assert "ssl_min_protocol_version = 'TLSv1.2'" in lines
    assert "ssl_key_file = '/it''s here/tls/postgres.key'" in lines


@given(st.text(st.characters(exclude_characters="\n\0")))
def test_a_quoted_value_reads_back(value: str) -> None:
    text = quoted(value)

    assert text[0] == text[-1] == "'"
    assert text[1:-1].replace("''", "'").replace("\\\\", "\\") == value


def test_the_server_is_asked_for_a_fast_shutdown_before_anything_harder() -> None:
    steps = [step.signal_number for step in postgres_process(CLUSTER).stop_steps]

    assert steps == [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]
