"""What is offered, and found."""

import attrs
import pytest

from services.tunnels.offers import Offers, TakenError
from services.tunnels.records.offers import Offer, TunnelProtocol

WEB = Offer(42, 7, "web", 80, TunnelProtocol.HTTP, "42-web-80-http", host="42-web-80.edge.test")
DNS = Offer(42, 7, "dns", 53, TunnelProtocol.UDP, "42-dns-53-udp", remote_port=16_053)
DNS_TCP = Offer(42, 7, "dns", 53, TunnelProtocol.TCP, "42-dns-53-tcp", remote_port=16_053)


def test_an_offer_is_found_by_its_name() -> None:
    offers = Offers()
    for offer in (WEB, DNS, DNS_TCP):
        offers.add(offer)

    assert [offers.find(each.proxy_name) for each in (WEB, DNS, DNS_TCP)] == [WEB, DNS, DNS_TCP]
    assert len(offers) == 3


def test_an_offer_that_is_gone_is_not_found() -> None:
    offers = Offers()
    offers.add(WEB)

    offers.remove(WEB)

    assert offers.find(WEB.proxy_name) is None
    assert len(offers) == 0


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        (WEB, attrs.evolve(WEB, device_key=43, host="other.edge.test")),
        (WEB, attrs.evolve(WEB, device_key=43, proxy_name="43-web-80-http")),
        (DNS, attrs.evolve(DNS, device_key=43, proxy_name="43-dns-53-udp")),
        (DNS, attrs.evolve(DNS, proxy_name="other", remote_port=16_054)),
    ],
    ids=["name", "host", "remote port", "declared port"],
)
def test_what_is_anothers_is_not_registered_and_nothing_of_it_is(there: Offer, asked: Offer) -> None:
    offers = Offers()
    offers.add(there)

    with pytest.raises(TakenError):
        offers.add(asked)

    offers.remove(asked)
    assert offers.find(there.proxy_name) == there
    assert len(offers) == 1


@pytest.mark.parametrize(("offer", "expected"), [(WEB, "42-web-80.edge.test"), (DNS, ":16053")])
def test_an_agent_is_told_where_it_is(offer: Offer, expected: str) -> None:
    assert offer.remote_addr == expected
