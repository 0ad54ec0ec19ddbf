"""The endpoints for programs: what they say of themselves, and what they make of nonsense."""

import pytest

from tests.integration.auth.people import ORIGIN
from tests.integration.auth.relying import (
    World,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/device_authorization"])
async def test_malformed_requests_are_refused_by_the_book(world: World, path: str) -> None:
    client = await world.client()
    twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token"), ("token", "x"), ("scope", "openid")]

    assert (await client.post(path, twice))["error"] == "invalid_request"
    assert (await client.post(path, [(f"x{n}", "y") for n in range(100)]))["error"] == "invalid_request"
    assert (await client.post(path, []))["error"] in ("invalid_request", "unsupported_grant_type", "invalid_scope")
    assert client.answer.status == 400
    assert (await client.get(path))["error"] == "invalid_request"
    assert client.answer.status == 405


async def test_the_documents_say_where_everything_is(world: World) -> None:
    client = await world.client()

    described = await client.get("/.well-known/openid-configuration")
    assert described == await client.get("/.well-known/oauth-authorization-server")

    assert described["issuer"] == ORIGIN
    programs = {path for path in client.programs.endpoints if not path.startswith("/registry/")}  # not OpenID's
    places = {value.removeprefix(ORIGIN) for name, value in described.items() if name.endswith(("_endpoint", "_uri"))}
    assert places == programs - {
        "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server",
    } | {"/oauth/authorize", "/oauth/end_session"}  # fmt: skip
    (key,) = (await client.get("/oauth/jwks"))["keys"]
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
    assert not {"d", "p", "q"} & set(key)
