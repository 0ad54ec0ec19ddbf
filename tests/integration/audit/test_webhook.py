"""The webhook, against a small receiver."""

import hmac
import json
from hashlib import sha256
from pathlib import Path

import pytest

from services.audit.settings import Forwarder
from services.audit.webhook import WebhookSender, signature
from shared.posting import PostingError
from tests.integration.audit.receivers import HttpReceiver, serving
from tests.integration.audit.test_syslog import ROW
from tests.integration.flockctl.certificates import make_certificates

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("status", [200, 204, 301, 400, 500])
async def test_entries_are_posted_signed_and_only_2xx_takes_them(tmp_path: Path, status: int) -> None:
    certificates, receiver = make_certificates(tmp_path), HttpReceiver()
    receiver.answer_of = lambda _: (status, b"")
    async with serving(certificates, receiver.answer) as port:
        url = f"https://localhost:{port}/hook"
        forwarder = Forwarder("soc", "webhook", url=url, secret="shared", ca=str(certificates.ca))
        sender = WebhookSender(forwarder, "test.example/audit", lambda: 1_700_000_000.9)
        if status < 300:
            await sender.send([ROW])
        else:
            with pytest.raises(PostingError, match=str(status)):
                await sender.send([ROW])

    line, headers, body = receiver.requests[0]
    mac = hmac.new(b"shared", b"1700000000." + body, sha256).hexdigest()
    assert line == "POST /hook HTTP/1.1"
    assert (headers["x-ironflock-timestamp"], headers["x-ironflock-signature"]) == ("1700000000", f"sha256={mac}")
    said = json.loads(body)
    assert said["origin"] == "test.example/audit"
    assert [(each["leaf_index"], each["entry"]["id"]) for each in said["entries"]] == [(3, 7)]


async def test_another_time_secret_or_body_has_another_signature() -> None:
    found = {signature(*each) for each in (("a", 1, b"x"), ("b", 1, b"x"), ("a", 2, b"x"), ("a", 1, b"y"))}

    assert len(found) == 4
