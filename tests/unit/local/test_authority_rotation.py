"""The CAs of a platform with a second PostgreSQL, without processes: what is told, and what is looked at."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from typing_extensions import override

from deploy.local import authority_rotation
from deploy.local.authority import NAME, Order, ensure_authority, hosts_of, issue, load_authority
from deploy.local.authority_rotation import AuthorityRotation
from deploy.local.bootstrap import SUPERUSER, Server
from deploy.local.errors import PlatformError
from deploy.local.preparation import BACKEND_LOGIN_CA, LISTENERS
from deploy.local.processes import SECOND_POSTGRES
from deploy.local.running import RunningPlatform, Surroundings
from deploy.local.settings import SECOND_ROUTER, Ports
from deploy.local.state import StateFolder
from deploy.local.succession import have_next_sign, have_next_trusted

NOW = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
PORTS = Ports(8440)


@frozen
class Platform(RunningPlatform):
    """One whose processes are names, and on which things come about at once or not at all."""

    told: list[str] = field(factory=list)

    @override
    def reread(self, name: str) -> None:
        self.told.append(name)

    @override
    def comes_about(self, condition: Callable[[], bool]) -> bool:
        return condition()


@frozen
class Shown:
    """What the servers tell of fleetdb's certificates."""

    rows: list[tuple[str]]

    def execute(self, _: object) -> "Shown":
        """Asked."""
        return self

    def fetchall(self) -> list[tuple[str]]:
        """As it is."""
        return self.rows


@pytest.fixture(name="platform")
def fixture_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Everything of it is certified by the CAs, and answers."""
    state = StateFolder(tmp_path)
    for folder, name in ((state.ca, NAME), (state.backend_login_authority, BACKEND_LOGIN_CA)):
        folder.mkdir(parents=True)
        ensure_authority(folder, NOW, name=name)
    for folder in (state.tls, state.clusters, state.database_secrets, state.second_secrets):
        folder.mkdir(parents=True, exist_ok=True)
    (state.clusters / "second.json").write_text("{}")
    for folder in (state.database_secrets, state.second_secrets):
        (folder / SUPERUSER).write_text("secret")
    state.backend_login_ca_certificate.write_bytes(b"")
    for name in (*LISTENERS, SECOND_POSTGRES):
        certify(state, name)
    monkeypatch.setattr(authority_rotation, "is_live", lambda _port, _ca: True)
    monkeypatch.setattr(authority_rotation, "answers", lambda _: True)
    return Platform(state, PORTS, Surroundings(lambda _: None, lambda _: None))


def certify(state: StateFolder, name: str) -> None:
    order = Order(state.tls / f"{name}.pem", state.tls / f"{name}.key", hosts_of("localhost"), dt.timedelta(days=2))
    issue(load_authority(state.ca), order, NOW)


def let_next_sign(platform: Platform) -> None:
    """And every listener but that of the second PostgreSQL has a certificate of it."""
    for folder, name in ((platform.state.ca, NAME), (platform.state.backend_login_authority, BACKEND_LOGIN_CA)):
        have_next_trusted(folder, NOW, name=name)
        have_next_sign(folder)
    for name in LISTENERS:
        certify(platform.state, name)


@pytest.mark.parametrize(("has_second", "told"), [(True, ["postgres", SECOND_POSTGRES]), (False, ["postgres"])])
def test_every_server_is_told_of_the_next_authority(platform: Platform, has_second: bool, told: list[str]) -> None:
    if not has_second:
        (platform.state.clusters / "second.json").unlink()

    AuthorityRotation(platform, NOW).trust()

    assert platform.told == told
    trusted = platform.state.backend_login_authority / "ca.pem"
    assert platform.state.backend_login_ca_certificate.read_bytes() == trusted.read_bytes()


def test_given_a_second_server_with_a_certificate_of_the_old_authority_then_it_is_not_dropped(
    platform: Platform,
) -> None:
    let_next_sign(platform)

    with pytest.raises(PlatformError, match=f"old CA: {SECOND_POSTGRES};"):
        AuthorityRotation(platform, NOW).drop()


def test_given_a_second_server_that_shows_the_old_certificate_then_it_is_not_dropped(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_next_sign(platform)
    certify(platform.state, SECOND_POSTGRES)
    monkeypatch.setattr(authority_rotation, "answers", lambda server: server.port != PORTS.second)

    with pytest.raises(PlatformError, match=f"old CA: {SECOND_POSTGRES};"):
        AuthorityRotation(platform, NOW).drop()


def test_given_a_second_cell_whose_router_has_the_old_certificate_then_it_is_not_dropped(platform: Platform) -> None:
    two = evolve(platform, ports=evolve(PORTS, has_second_cell=True))
    certify(platform.state, SECOND_ROUTER)
    let_next_sign(two)
    certify(platform.state, SECOND_POSTGRES)

    with pytest.raises(PlatformError, match=f"old CA: {SECOND_ROUTER};"):
        AuthorityRotation(two, NOW).drop()


def test_given_a_login_of_the_old_authority_at_the_second_server_then_it_is_not_dropped(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_next_sign(platform)
    certify(platform.state, SECOND_POSTGRES)
    signing = load_authority(platform.state.backend_login_authority).certificate

    @contextmanager
    def connected(server: Server, _database: str) -> Iterator[Any]:
        of_old = server.port == PORTS.second
        yield Shown([("/CN=old",) if of_old else ("/" + signing.subject.rfc4514_string(),)])

    monkeypatch.setattr(authority_rotation, "connect", connected)

    with pytest.raises(PlatformError, match="still connected by certificates of the old CA"):
        AuthorityRotation(platform, NOW).drop()
