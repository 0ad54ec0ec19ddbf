"""Logins of people who read by SQL: certified when they come, their keys in memory alone."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.fleetdb.readers import PROCEDURE, Readers
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.records.sql import Admission
from shared.clusters import Address
from shared.errors import UnavailableError
from tests.integration.fleetdb.certified import LIFE, certifier
from tests.integration.flockctl.certificates import make_certificates

pytestmark = pytest.mark.asyncio

BACKEND = Backend(40, 7, 26, "weather", Stage.DEV, "d_x", "s_x", "l_x", 1, None, frozenset())
AUTHORITY = certifier()


@define
class Realms:
    """Certifies."""

    now: dt.datetime = field(factory=lambda: dt.datetime.now(dt.UTC))  # noqa: TID251 - certificates that hold now
    asked: list[dict[str, Any]] = field(factory=list)
    is_away: bool = False

    async def call(self, procedure: str, timeout_s: float, **named: Any) -> dict[str, Any]:
        assert (procedure, timeout_s > 8) == (PROCEDURE, True)
        await asyncio.sleep(0)
        if self.is_away:
            raise UnavailableError("away")
        self.asked.append(named)
        key = serialization.load_pem_public_key(named["public_key"].encode())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        login = f"r_{named['account_key']}"
        return {"login": login, "certificate": AUTHORITY.sign(login, key), "ends_at": (self.now + LIFE).isoformat()}


@pytest.fixture(name="realms")
def fixture_realms() -> Realms:
    return Realms()


@pytest.fixture(name="readers")
def fixture_readers(realms: Realms, tmp_path: Path) -> Readers:
    ca = make_certificates(tmp_path).ca
    return Readers(realms, lambda _: Address("localhost", 1, ca), lambda: realms.now)  # type: ignore[arg-type]


def admission(account_key: int, backend_key: int = 40) -> Admission:
    return Admission(account_key, "key 1", "192.0.2.1", 7, backend_key, "d_x", f"r_{account_key}", 2e9)


async def test_each_time_somebody_comes_their_login_is_opened_and_certified_anew(
    readers: Readers, realms: Realms
) -> None:
    """It may have been closed meanwhile, with the backend."""
    logins = await asyncio.gather(*(readers.login_of(BACKEND, 5) for _ in range(3)))

    assert logins == ["r_5"] * 3
    assert [(asked["backend_key"], asked["account_key"]) for asked in realms.asked] == [(40, 5)] * 3
    assert len({asked["public_key"] for asked in realms.asked}) == 3
    assert await readers.tls_of(admission(5)) is await readers.tls_of(admission(5))


async def test_each_person_has_their_own(readers: Readers) -> None:
    assert [await readers.login_of(BACKEND, key) for key in (5, 6)] == ["r_5", "r_6"]
    assert await readers.tls_of(admission(5)) is not await readers.tls_of(admission(6))


async def test_whoever_was_not_let_in_has_none(readers: Readers) -> None:
    with pytest.raises(UnavailableError):
        await readers.tls_of(admission(5))


async def test_where_realms_is_away_nobody_has_one(readers: Readers, realms: Realms) -> None:
    realms.is_away = True

    with pytest.raises(UnavailableError):
        await readers.login_of(BACKEND, 5)


async def test_only_so_many_are_remembered(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fleetdb.readers.REMEMBERED", 2)
    for key in (5, 6, 7):
        await readers.login_of(BACKEND, key)

    with pytest.raises(UnavailableError):
        await readers.tls_of(admission(5))
    await readers.tls_of(admission(7))
