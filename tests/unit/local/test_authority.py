"""The development CA: what it issues is accepted by a strict peer, and renewed in time."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from attrs import evolve
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.authority import (
    Authority,
    AuthorityError,
    Order,
    ensure_authority,
    hosts_of,
    is_due,
    issue,
    renew,
)

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)  # noqa: TID251 - the peers of these tests look at the clock
LIFE = dt.timedelta(hours=48)


def order_in(folder: Path, host: str = "localhost") -> Order:
    return Order(folder / "router.pem", folder / "router.key", hosts_of(host), LIFE)


@pytest.fixture(name="authority")
def fixture_authority(tmp_path: Path) -> Authority:
    return ensure_authority(tmp_path, NOW)


def handshake(ca: Path, order: Order, host: str) -> ssl.SSLObject:
    """A TLS handshake in memory, with a client that checks all that RFC 5280 asks for."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(order.certificate, order.key)
    client_context = ssl.create_default_context(cafile=str(ca))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "plant.example"])
def test_given_an_issued_certificate_when_a_strict_client_calls_then_it_accepts(
    authority: Authority, tmp_path: Path, host: str
) -> None:
    order = order_in(tmp_path, "plant.example")
    issue(authority, order, NOW)

    assert handshake(tmp_path / "ca.pem", order, host).version() == "TLSv1.3"


def test_given_another_host_when_a_client_calls_then_it_refuses(authority: Authority, tmp_path: Path) -> None:
    order = order_in(tmp_path)
    issue(authority, order, NOW)

    with pytest.raises(ssl.SSLCertVerificationError, match=r"plant\.example"):
        handshake(tmp_path / "ca.pem", order, "plant.example")


def test_given_a_ca_when_it_is_asked_for_again_then_it_is_the_same(authority: Authority, tmp_path: Path) -> None:
    assert ensure_authority(tmp_path, NOW).certificate == authority.certificate


def test_given_a_crash_before_the_certificate_when_started_again_then_a_ca_is_made(tmp_path: Path) -> None:
    ensure_authority(tmp_path, NOW)
    (tmp_path / "ca.pem").unlink()

    order = order_in(tmp_path)
    issue(ensure_authority(tmp_path, NOW), order, NOW)

    assert handshake(tmp_path / "ca.pem", order, "localhost").version()


def test_given_a_lost_key_when_started_then_the_trusted_ca_is_not_replaced(tmp_path: Path) -> None:
    ensure_authority(tmp_path, NOW)
    (tmp_path / "ca.key").unlink()

    with pytest.raises(AuthorityError, match=r"ca\.key is missing"):
        ensure_authority(tmp_path, NOW)


def test_a_certificate_lives_as_ordered_and_signs_nothing(authority: Authority, tmp_path: Path) -> None:
    order = order_in(tmp_path)
    issue(authority, order, NOW)

    certificate = x509.load_pem_x509_certificate(order.certificate.read_bytes())
    assert certificate.not_valid_after_utc == NOW + LIFE
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


@pytest.fixture(name="issued", scope="module")
def fixture_issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Order]:
    folder = tmp_path_factory.mktemp("tls")
    authority, order = ensure_authority(folder, NOW), order_in(folder)
    issue(authority, order, NOW)
    return authority, order


@given(age_s=st.integers(-2 * 172_800, 2 * 172_800))
def test_a_certificate_is_due_from_two_thirds_of_its_life_on_and_when_the_clock_went_back(
    issued: tuple[Authority, Order], age_s: int
) -> None:
    fresh = 0 <= age_s < 115_200

    assert is_due(*issued, NOW + dt.timedelta(seconds=age_s)) == (not fresh)


def test_given_a_new_host_or_a_shorter_life_when_looked_at_then_a_certificate_is_due(
    issued: tuple[Authority, Order],
) -> None:
    authority, order = issued

    assert is_due(authority, evolve(order, hosts=hosts_of("plant.example")), NOW)
    assert is_due(authority, evolve(order, life=dt.timedelta(seconds=9)), NOW)


def test_given_another_ca_when_looked_at_then_a_certificate_is_due(
    issued: tuple[Authority, Order], tmp_path: Path
) -> None:
    assert is_due(ensure_authority(tmp_path, NOW), issued[1], NOW)


@pytest.mark.parametrize("content", [b"", b"no PEM", None])
@pytest.mark.parametrize("which", ["certificate", "key"])
def test_given_a_broken_file_when_renewed_then_it_is_mended(
    authority: Authority, tmp_path: Path, which: str, content: bytes | None
) -> None:
    order = order_in(tmp_path)
    issue(authority, order, NOW)
    path: Path = getattr(order, which)
    path.unlink() if content is None else path.write_bytes(content)

    assert renew(authority, [order], NOW) == [order]
    assert renew(authority, [order], NOW) == []


def test_given_a_crash_between_key_and_certificate_when_renewed_then_they_match_again(
    authority: Authority, tmp_path: Path
) -> None:
    order, later = order_in(tmp_path), order_in(tmp_path / "later")
    later.key.parent.mkdir()
    for each in (order, later):
        issue(authority, each, NOW)
    later.key.replace(order.key)

    assert renew(authority, [order], NOW) == [order]
    assert handshake(tmp_path / "ca.pem", order, "localhost").version()
