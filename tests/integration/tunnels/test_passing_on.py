"""Public `secure-` hosts: the visitor's TLS is the device's own; of private ones it is ours."""

import hashlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from services.tunnels import sharing
from services.tunnels.first_octets import FIRST_S
from services.tunnels.records.tunnels import NameTunnel, PublicTunnel, PublishTunnel
from shared.tls import server_options
from tests.harness.waiting import wait_until
from tests.harness.web_device import BIG, WebDevice
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.tunnels.rooms import ANNA, PRESS
from tests.integration.tunnels.test_web_limits import told
from tests.integration.tunnels.web import Line, key_of, line, offered, visits
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
SECURE_HOST = f"secure-{PRESS}-web-80.tunnels.example"


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates) -> Iterator[Whole]:
    with whole(postgres, certificates) as made:
        yield made


@pytest.fixture(name="theirs", scope="module")
def fixture_theirs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("device"))


def device_with(theirs: Certificates) -> WebDevice:
    return WebDevice(tls=server_options(theirs.certificate, theirs.key))


def secure(site: Whole, device: WebDevice, *, is_public: bool = True) -> PublicTunnel:
    """An https tunnel that is offered."""
    tunnel = offered(site, device, "https")
    if is_public:
        site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
    return tunnel


def shown(one: Line) -> bytes:
    """The certificate that the visitor is shown."""
    found = one.socket.getpeercert(binary_form=True)
    assert found is not None
    return found


def der(certificates: Certificates) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificates.certificate.read_text(encoding="ascii").partition("-----END")[0] + END)


END = "-----END CERTIFICATE-----\n"


def test_of_a_public_one_the_visitor_sees_the_device_s_certificate_and_of_a_private_one_ours(
    site: Whole, theirs: Certificates
) -> None:
    device = device_with(theirs)
    tunnel = secure(site, device, is_public=False)
    with line(site, SECURE_HOST) as one:
        assert shown(one) == der(site.certificates)
        assert one.ask("GET / HTTP/1.1", host=SECURE_HOST).status == 401
        assert one.ask(f"GET / HTTP/1.1\nAuthorization: Bearer {key_of(site)}", host=SECURE_HOST).status == 200
    site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
    with line(site, SECURE_HOST) as one, line(site, SECURE_HOST) as two:
        assert shown(one) == der(theirs)
        assert one.ask("GET / HTTP/1.1\nAuthorization: Bearer theirs", host=SECURE_HOST).body == b"from the device"
        assert len(two.ask("GET /big HTTP/1.1", host=SECURE_HOST).body) == BIG
        assert device.header("x-forwarded-for") == []
        public = [each for each in visits(site) if each[0] is None]
        assert len(public) == 1
        site.do(site.rooms.people.tunnel_unpublish(ANNA, NameTunnel(tunnel.tunnel_key)))
        assert one.is_closed()
        assert two.is_closed()

    wait_until(lambda: (None, "not_public") in [each[:2] for each in visits(site)], 5, "it is over")
    [(to_device, to_visitor)] = [each[2:] for each in visits(site) if each[0] is None]
    assert to_visitor > BIG
    assert to_device > 0
    with line(site, SECURE_HOST) as one:
        assert shown(one) == der(site.certificates)


def test_every_other_connection_gets_our_tls(site: Whole, theirs: Certificates) -> None:
    secure(site, device_with(theirs))
    for name in (
        None,
        "tunnels.example",
        f"{PRESS}-web-80.tunnels.example",
        f"x.{SECURE_HOST}",
        "secure-x.tunnels.example",
    ):
        with line(site, name) as one:
            assert shown(one) == der(site.certificates), name


def test_while_the_device_is_away_our_own_page_says_so(site: Whole, theirs: Certificates) -> None:
    tunnel = site.declare(PRESS, "web", 80, "https")
    site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
    with line(site, SECURE_HOST) as one:
        assert shown(one) == der(site.certificates)
        assert one.ask("GET / HTTP/1.1", host=SECURE_HOST).status == 409
    assert theirs.certificate.exists()


def test_what_cannot_be_recorded_reaches_no_device(site: Whole, theirs: Certificates) -> None:
    device = device_with(theirs)
    secure(site, device)
    site.rooms.postgres.run("REVOKE INSERT ON tunnels.visit FROM svc_tunnels")
    try:
        with pytest.raises((ssl.SSLError, ConnectionError)), line(site, SECURE_HOST):
            pass
    finally:
        site.rooms.postgres.run("GRANT INSERT ON tunnels.visit TO svc_tunnels")
    assert (device.raw, visits(site)) == ([], [])


def test_an_address_has_so_many_connections_at_once(
    site: Whole, theirs: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MAX_OF_A_VISITOR", 2)
    secure(site, device_with(theirs))
    with line(site, SECURE_HOST) as one:
        with line(site, SECURE_HOST) as two:
            assert two.ask("GET / HTTP/1.1", host=SECURE_HOST).status == 200
            with pytest.raises((ssl.SSLError, ConnectionError)), line(site, SECURE_HOST):
                pass
            assert one.ask("GET / HTTP/1.1", host=SECURE_HOST).status == 200

        def comes_again() -> bool:
            try:
                with line(site, SECURE_HOST) as three:
                    return three.ask("GET / HTTP/1.1", host=SECURE_HOST).status == 200
            except (ssl.SSLError, ConnectionError):
                return False

        wait_until(comes_again, 5, "there is a place again")


def is_whole(client: ssl.SSLObject) -> bool:
    """Whether the handshake is done."""
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def test_a_hello_in_pieces_is_waited_for_and_a_slow_one_is_cut(site: Whole, theirs: Certificates) -> None:
    secure(site, device_with(theirs))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_bio(incoming, outgoing, server_hostname=SECURE_HOST)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    with socket.create_connection(("127.0.0.1", site.visitors_port), timeout=10) as visitor:
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for first in range(0, len(hello), 40):
            visitor.sendall(hello[first : first + 40])
        while not is_whole(client):
            incoming.write(visitor.recv(65_536))
    assert hashlib.sha256(client.getpeercert(binary_form=True) or b"").digest() == hashlib.sha256(der(theirs)).digest()
    with told(site) as limited, limited.connected() as slow:
        slow.sendall(hello[:100])
        limited.wait_for_timers(1)
        limited.advance(FIRST_S - 0.1)
        assert not limited.is_closed(slow)
        limited.advance(0.2)
        assert limited.is_closed(slow)
