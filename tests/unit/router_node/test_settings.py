"""The router's environment."""

import pytest

from ironflock_router.settings import RouterSettings
from shared.session import MAX_MESSAGE_OCTETS
from shared.settings import SettingsError

GIVEN = {
    "IRONFLOCK_ROUTER_PUBLIC_PORT": "8443",
    "IRONFLOCK_ROUTER_SERVICE_PORT": "8444",
    "IRONFLOCK_ROUTER_OPS_PORT": "8447",
    "IRONFLOCK_ROUTER_TLS_CERTIFICATE": "/x/router.pem",
    "IRONFLOCK_ROUTER_TLS_KEY": "/x/router.key",
    "IRONFLOCK_ROUTER_SERVICE_SECRETS": "/x/secrets",
}


def test_what_is_not_given_has_the_documented_default() -> None:
    settings = RouterSettings.from_environment(GIVEN)
    assert (settings.host, settings.bind, settings.public_port) == ("localhost", "127.0.0.1", 8443)
    limits = settings.public
    assert limits.max_message_octets == 2**20
    assert (limits.join_timeout_s, limits.unjoined_per_address, limits.unjoined_in_all) == (8.0, 128, 4096)
    assert (limits.handshakes_per_address, limits.handshakes_at_once) == (32, 128)
    assert limits.waiting_per_connection == 10 * 2**20
    # An agent waits 7 s for each reply; held back refusals and pings to a first session come on top of this.
    assert settings.credential_timeout_s + 2.5 < 7


def test_a_service_may_send_what_its_own_end_of_the_connection_may_and_lag_a_few_such_messages() -> None:
    limits = RouterSettings.from_environment(GIVEN | {"IRONFLOCK_ROUTER_MAX_MESSAGE_OCTETS": "65536"}).services
    assert limits.max_message_octets == MAX_MESSAGE_OCTETS
    assert limits.waiting_per_connection >= 4 * MAX_MESSAGE_OCTETS
    assert limits.waiting_in_all >= 4 * limits.waiting_per_connection


def test_services_and_operators_have_what_the_public_has_unless_told_otherwise() -> None:
    alike = RouterSettings.from_environment(GIVEN)
    assert (alike.inside_tls_certificate, alike.inside_tls_key) == (alike.tls_certificate, alike.tls_key)
    assert (alike.service_bind, alike.ops_bind) == ("127.0.0.1", "127.0.0.1")
    inside = {"INSIDE_TLS_CERTIFICATE": "/in.pem", "INSIDE_TLS_KEY": "/in.key", "SERVICE_BIND": "::", "OPS_BIND": "::1"}
    other = RouterSettings.from_environment(GIVEN | {f"IRONFLOCK_ROUTER_{name}": inside[name] for name in inside})
    assert (str(other.inside_tls_certificate), str(other.inside_tls_key)) == ("/in.pem", "/in.key")
    assert (other.service_bind, other.ops_bind, other.bind) == ("::", "::1", "127.0.0.1")


def test_it_is_the_first_cell_unless_told_otherwise() -> None:
    assert RouterSettings.from_environment(GIVEN).cell == "first"
    assert RouterSettings.from_environment(GIVEN | {"IRONFLOCK_ROUTER_CELL": "south-2"}).cell == "south-2"
    for wrong in ("South", "a b", "2", "a" * 32):
        with pytest.raises(SettingsError, match="IRONFLOCK_ROUTER_CELL"):
            RouterSettings.from_environment(GIVEN | {"IRONFLOCK_ROUTER_CELL": wrong})


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        RouterSettings.from_environment({key: value for key, value in GIVEN.items() if key != name})


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_ROUTER_JOIN_TIMOUT"):
        RouterSettings.from_environment(GIVEN | {"IRONFLOCK_ROUTER_JOIN_TIMOUT": "8"})
