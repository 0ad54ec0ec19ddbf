"""What a tunnel may be called, and how it is shown."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.records.offers import Offer, TunnelProtocol
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.rules.names import HTTP, label_problem, parse_proxy_name, proxy_name, subdomain
from services.tunnels.rules.tunnels import Circumstances, Places, check_end, name_of, shown
from shared.errors import InvalidArgumentError

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PLACES = Places("tunnels.example", 8458)
WEB = Tunnel(3, 42, 9, "cam", 8080, "http", None, None, 5, NOW)
RAW = attrs.evolve(WEB, protocol="tcp", port=22, app="ssh")


def offer(tunnel: Tunnel, remote_port: int | None = None) -> Offer:
    name = tunnel.name
    return Offer(42, 9, name.app, name.port, name.protocol, proxy_name(name), remote_port)


def seen(
    tunnel: Tunnel, found: Offer | None = None, problem: str | None = None, places: Places = PLACES,
    *, is_open: bool = True,
) -> Any:  # fmt: skip
    return shown(tunnel, Circumstances("press-1", found, problem, is_open, 0), places, NOW)


@given(
    app=st.text(max_size=120), port=st.integers(1, 65_535), protocol=st.sampled_from(["http", "https", "tcp", "udp"])
)
def test_whatever_may_be_declared_is_what_the_agent_s_name_says(app: str, port: int, protocol: str) -> None:
    try:
        name = name_of(42, app, port, protocol)
    except InvalidArgumentError:
        return

    assert parse_proxy_name(proxy_name(name)) == name
    assert name.protocol not in HTTP or label_problem(subdomain(name)) is None


def test_the_case_of_an_app_does_not_count() -> None:
    assert name_of(42, " Cam-Two ", 80, "http") == name_of(42, "cam-two", 80, "http")


@pytest.mark.parametrize("app", ["my_app", "a.b", "a" * 56])
def test_a_web_tunnel_whose_host_does_not_fit_dns_is_refused_with_the_reason(app: str) -> None:
    with pytest.raises(InvalidArgumentError, match="DNS label"):
        name_of(42, app, 8080, "http")
    assert name_of(42, app, 8080, "tcp").app == app


@pytest.mark.parametrize("app", ["", "-a", "a-", "ä", "a b", "a/b", "a" * 101, "a\n"])
def test_what_no_app_is_called_is_refused(app: str) -> None:
    if app == "a\n":
        assert name_of(42, app, 1, "tcp").app == "a"
        return
    with pytest.raises(InvalidArgumentError):
        name_of(42, app, 1, "tcp")


def test_a_tunnel_is_declared_until_its_device_offers_it() -> None:
    assert (seen(WEB).state, seen(WEB, offer(WEB)).state) == ("declared", "offered")


def test_what_the_device_was_refused_is_told() -> None:
    refused = seen(WEB, problem="the subdomain is not the one of the proxy's name")

    assert (refused.state, refused.error) == ("error", "the subdomain is not the one of the proxy's name")


def test_it_is_public_until_its_end_and_while_it_is_offered() -> None:
    until = NOW + timedelta(seconds=1)
    public, over = (attrs.evolve(WEB, public_since=NOW, public_until=end) for end in (until, NOW))

    assert (seen(public, offer(WEB)).state, seen(public, offer(WEB)).public_until) == ("public", until)
    assert (seen(public).state, seen(public).public_until) == ("declared", until)
    assert (seen(over, offer(WEB)).state, seen(over, offer(WEB)).public_until) == ("offered", None)
    assert seen(attrs.evolve(WEB, public_since=NOW), offer(WEB)).state == "public"


def test_a_raw_tunnel_is_public_once_its_port_is_open() -> None:
    public, there = attrs.evolve(RAW, public_since=NOW), offer(RAW, 7500)

    early = seen(public, there, is_open=False)
    assert (early.state, early.url, early.error) == ("offered", None, None)
    taken = seen(public, there, "something else has it", is_open=False)
    assert (taken.state, taken.url, taken.error) == ("error", None, "something else has it")
    assert (seen(public, there).state, seen(public, there).url) == ("public", "tcp://tunnels.example:7500")
    assert seen(RAW, there, is_open=False).state == "offered"
    web = attrs.evolve(WEB, public_since=NOW)
    assert seen(web, offer(web), is_open=False).state == "public"


def test_a_web_tunnel_has_a_host_of_its_own() -> None:
    secure = attrs.evolve(WEB, protocol="https")

    assert seen(WEB).url == "https://42-cam-8080.tunnels.example:8458"
    assert seen(secure, places=Places("tunnels.example", 443)).url == "https://secure-42-cam-8080.tunnels.example"


def test_a_raw_tunnel_has_a_place_only_while_it_is_public() -> None:
    found = offer(RAW, 7512)
    public = seen(attrs.evolve(RAW, public_since=NOW), found)

    assert (public.url, public.remote_port) == ("tcp://tunnels.example:7512", 7512)
    assert (seen(RAW, found).url, seen(RAW, found).remote_port, seen(RAW).remote_port) == (None, 7512, None)
    assert found.protocol is TunnelProtocol.TCP


@pytest.mark.parametrize("end", [NOW, NOW - timedelta(days=1), datetime(2027, 1, 1)])  # noqa: DTZ001 - what is refused
def test_an_end_must_be_to_come_and_have_a_zone(end: datetime) -> None:
    with pytest.raises(InvalidArgumentError):
        check_end(end, NOW)


def test_an_end_to_come_or_none_will_do() -> None:
    check_end(None, NOW)
    check_end(datetime(2026, 11, 30, 13, 0, 1, tzinfo=timezone(timedelta(hours=1))), NOW)
