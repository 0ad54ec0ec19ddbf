"""What addresses may be sent."""

import pytest

from services.tunnels import answerings
from services.tunnels.answerings import Answerings
from services.tunnels.rules.answers import FIRST_OCTETS, HEADER_OCTETS, PER_OCTET

ADDRESS = "192.0.2.1"


def test_who_sent_nothing_is_sent_nothing() -> None:
    assert not Answerings(lambda: 0.0).take(ADDRESS, 1)


def test_each_address_has_its_own_account() -> None:
    found = Answerings(lambda: 0.0)
    found.heard(ADDRESS, 10)
    found.heard("192.0.2.2", 0)

    more = PER_OCTET * HEADER_OCTETS - HEADER_OCTETS
    assert found.take(ADDRESS, FIRST_OCTETS + 10 * PER_OCTET + more)
    assert not found.take(ADDRESS, 0)
    assert found.take("192.0.2.2", FIRST_OCTETS + more)


def test_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answerings, "REMEMBERED", 2)
    found = Answerings(lambda: 0.0)
    for number in range(3):
        found.heard(f"192.0.2.{number}", 1)

    assert not found.take("192.0.2.0", 1)
    assert found.take("192.0.2.1", 1)
