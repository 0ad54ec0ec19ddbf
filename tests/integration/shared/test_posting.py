"""One HTTPS POST: what comes back, and what is not believed."""

from pathlib import Path

import pytest

from shared.posting import PostingError, post
from tests.integration.audit.receivers import HttpReceiver, serving
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_post_brings_status_and_content(tmp_path: Path) -> None:
    certificates, receiver = make_certificates(tmp_path), HttpReceiver()
    receiver.answer_of = lambda body: (409, body[::-1])
    async with serving(certificates, receiver.answer) as port:
        reply = await post(f"https://localhost:{port}/a/b?c=d", b"xyz", {"x-y": "z"}, str(certificates.ca))

    assert (reply.status, reply.content) == (409, b"zyx")
    assert receiver.requests[0][0] == "POST /a/b?c=d HTTP/1.1"
    assert receiver.requests[0][1]["x-y"] == "z"


async def test_given_a_peer_that_is_not_verified_or_not_there_when_it_is_posted_to_then_it_fails(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    certificates, other = make_certificates(tmp_path), make_certificates(tmp_path / "other")
    receiver = HttpReceiver()
    async with serving(certificates, receiver.answer) as port:
        for url, ca in (
            (f"https://localhost:{port}", other.ca),
            (f"https://127.0.0.1:{port}", certificates.ca),
        ):
            with pytest.raises(PostingError):
                await post(url, b"x", {}, str(ca))
    with pytest.raises(PostingError):
        await post(f"https://localhost:{port}", b"x", {}, str(certificates.ca))

    assert receiver.requests == []
