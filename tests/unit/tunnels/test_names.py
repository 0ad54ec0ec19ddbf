"""Names of tunnels, and what an agent may ask for at all."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Refusal, TunnelName, TunnelProtocol
from services.tunnels.rules.names import asked_of, label_problem, parse_proxy_name, proxy_name, subdomain

names = st.builds(
    TunnelName,
    st.integers(1, 10**17),
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,30}", fullmatch=True),
    st.integers(1, 65_535),
    st.sampled_from(TunnelProtocol),
)
WEB = NewProxy("42-web-9002-http", "http", subdomain="42-web-9002")
SSH = NewProxy("42-ssh-22-tcp", "tcp", remote_port=16_001)


@given(names)
def test_parsing_inverts_naming(name: TunnelName) -> None:
    assert parse_proxy_name(proxy_name(name)) == name


@given(st.text(max_size=40))
def test_whatever_is_parsed_is_named_alike(text: str) -> None:
    name = parse_proxy_name(text)

    assert name is None or proxy_name(name) == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (TunnelName(42, "web", 9002, TunnelProtocol.HTTP), "42-web-9002"),
        (TunnelName(42, "Web", 9002, TunnelProtocol.HTTP), "42-web-9002"),
        (TunnelName(42, "my-app", 443, TunnelProtocol.HTTPS), "secure-42-my-app-443"),
        (TunnelName(42, "ssh", 22, TunnelProtocol.TCP), "42-ssh-22"),
    ],
)
def test_a_subdomain_is_the_agents(name: TunnelName, expected: str) -> None:
    assert subdomain(name) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "42-web-9002",
        "42-web-9002-ftp",
        "042-web-9002-http",
        "42-web-0-http",
        "42-web-65536-http",
        "42--9002-http-x",
        "web-9002-http",
        "42-web-http",
        "42-web-9002-https",
        "42-Web-9002-http",
        "42-w\u0660-\u0661-http",
        f"42-{'a' * 300}-1-tcp",
    ],
)
def test_what_no_agent_makes_is_no_name(text: str) -> None:
    assert parse_proxy_name(text) is None


@pytest.mark.parametrize("label", ["42-web-9002", "a" * 63, "a", "secure-42-my-app-443"])
def test_a_label_fits(label: str) -> None:
    assert label_problem(label) is None


@pytest.mark.parametrize("label", ["", "a" * 64, "42-my_app-1", "42-my.app-1", "-a", "a-", "42-Web-1", "42-wéb-1"])
def test_what_is_no_label_is_said_why(label: str) -> None:
    problem = label_problem(label)

    assert problem is not None
    assert label in problem


def test_an_agents_proxies_are_understood() -> None:
    assert asked_of(WEB) == TunnelName(42, "web", 9002, TunnelProtocol.HTTP)
    assert asked_of(SSH) == TunnelName(42, "ssh", 22, TunnelProtocol.TCP)


@pytest.mark.parametrize(
    "asked",
    [
        attrs.evolve(SSH, use_encryption=True),
        attrs.evolve(SSH, use_compression=True),
        attrs.evolve(SSH, bandwidth_limit="10MB"),
        attrs.evolve(SSH, group="g"),
        attrs.evolve(SSH, remote_port=-1),
        attrs.evolve(SSH, remote_port=65_536),
        attrs.evolve(SSH, proxy_type="udp"),
        attrs.evolve(SSH, proxy_type="stcp"),
        attrs.evolve(SSH, proxy_type="xtcp"),
        attrs.evolve(SSH, proxy_type="sudp"),
        attrs.evolve(SSH, proxy_type="tcpmux"),
        attrs.evolve(SSH, proxy_name="ssh"),
        attrs.evolve(WEB, custom_domains=["evil.example"]),
        attrs.evolve(WEB, subdomain=""),
        attrs.evolve(WEB, subdomain="43-web-9002"),
        attrs.evolve(WEB, locations=["/a"]),
        attrs.evolve(WEB, http_user="u"),
        attrs.evolve(WEB, http_pwd="p"),
        attrs.evolve(WEB, route_by_http_user="u"),
        attrs.evolve(WEB, host_header_rewrite="h"),
        attrs.evolve(WEB, headers={"X-IronFlock-User": "root"}),
        attrs.evolve(WEB, response_headers={"a": "b"}),
        NewProxy("42-my.app-80-http", "http", subdomain="42-my.app-80"),
    ],
    ids=str,
)
def test_what_is_not_served_is_refused_with_a_sentence(asked: NewProxy) -> None:
    found = asked_of(asked)

    assert isinstance(found, Refusal)
    assert len(found.reason) > 10
