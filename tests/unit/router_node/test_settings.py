"""The router's environment."""

import pytest

from ironflock_router.settings import RouterSettings
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
    assert settings.max_message_octets == 2**20
    limits = settings.public
    assert (limits.join_timeout_s, limits.unjoined_per_address, limits.unjoined_in_all) == (8.0, 128, 4096)
    assert (limits.handshakes_at_once, limits.waiting_per_connection) == (128, 4 * 2**20)
    # An agent waits 7 s for each reply; held back refusals and pings to a first session come on top of this.
    assert settings.credential_timeout_s + 2.5 < 7


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        RouterSettings.from_environment({key: value for key, value in GIVEN.items() if key != name})


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_ROUTER_JOIN_TIMOUT"):
        RouterSettings.from_environment(GIVEN | {"IRONFLOCK_ROUTER_JOIN_TIMOUT": "8"})
