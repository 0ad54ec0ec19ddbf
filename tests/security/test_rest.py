"""Attacks on REST: keys that are none, headers that are smuggled, bodies and paths as an attacker writes them."""

import base64
import http.client
import json
import secrets
from typing import Any

import pytest

from shared.api_keys import ENTROPY_OCTETS, key_id, mint
from tests.harness.accounts import Stranger
from tests.harness.clients import Account, new_name
from tests.harness.rest import BASE, Reply, RestClient
from tests.harness.running import FAILURES_PER_MINUTE, RunningPlatform
from tests.integration.router_node.node import new_address

pytestmark = pytest.mark.real

JSON = ("content-type", "application/json")
CREATE = json.dumps({"name": "never"}).encode()


@pytest.fixture(name="attacker")
def fixture_attacker(ironflock: RunningPlatform) -> RestClient:
    """Somebody without a key, at an address from which nobody has guessed yet."""
    return RestClient(ironflock, None, source=new_address())


def bearer(value: str) -> tuple[str, str]:
    return "authorization", f"Bearer {value}"


def attempt(
    attacker: RestClient, *headers: tuple[str, str], path: str = f"{BASE}/swarms", body: bytes = CREATE
) -> Reply:
    """An attempt to make a project."""
    return attacker.send("POST", path, [JSON, *headers], body)


def projects(account: Account) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.call("ironflock.realms.project.list", limit=1000)["projects"]
    return found


def jwt(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token without, or with a made-up signature."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in (header, claims)]
    return ".".join([*parts, base64.urlsafe_b64encode(b"x" * 64).rstrip(b"=").decode()])


def forged(owner: Account) -> list[str]:
    """Twelve credentials that nobody was given."""
    key, claims = owner.api_key, {"sub": "1", "aud": "ironflock", "iss": "ironflock.auth", "exp": 9_999_999_999}
    fresh = mint(secrets.token_bytes(ENTROPY_OCTETS))
    return [
        fresh,
        key[:-1] + ("a" if key[-1] != "a" else "b"),
        key[:17] + fresh[17:],
        key.swapcase(),
        key[:-6],
        key + key,
        key_id(key),
        jwt({"alg": "none"}, claims),
        jwt({"alg": "HS256", "typ": "at+jwt"}, claims),
        jwt({"alg": "Ed25519", "typ": "ironflock-assertion+jwt", "jwk": {"kty": "OKP"}}, claims),
        "null",
        "1",
    ]


def test_twelve_forged_credentials_get_one_answer_and_change_nothing(attacker: RestClient, owner: Account) -> None:
    replies = [attempt(attacker, bearer(each)) for each in forged(owner)]

    assert {(reply.status, reply.content, reply.headers["www-authenticate"]) for reply in replies} == {
        (401, replies[0].content, 'Bearer realm="ironflock"')
    }
    assert "never" not in {project["name"] for project in projects(owner)}


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE auth.api_key SET ended_at = now() WHERE account_key = %s",
        "UPDATE auth.api_key SET ends_at = now() - interval '1 second' WHERE account_key = %s",
        "UPDATE auth.account SET state = 'disabled', disabled_at = now() WHERE account_key = %s",
    ],
)
def test_a_key_that_has_ended_opens_nothing_from_the_next_request_on(
    ironflock: RunningPlatform, stranger: Stranger, ending: str
) -> None:
    theirs = RestClient(ironflock, stranger.account.api_key, source=new_address())
    assert theirs.ask("GET", "/account").status == 200

    with ironflock.database() as connection:
        connection.execute(ending.encode(), [stranger.account_key])

    assert theirs.ask("GET", "/account").status == 401
    assert theirs.ask("POST", "/swarms", {"name": "never"}).status == 401


def test_credentials_are_taken_from_one_header_and_nowhere_else(attacker: RestClient, owner: Account) -> None:
    key, other = owner.api_key, mint(secrets.token_bytes(ENTROPY_OCTETS))
    smuggled: list[list[tuple[str, str]]] = [
        [],
        [bearer(key), bearer(key)],
        [bearer(key), bearer(other)],
        [bearer(other), bearer(key)],
        [bearer(key), ("authorization", "")],
        [("authorization", f"Bearer {key}, Bearer {key}")],
        [("authorization", f"Basic {base64.b64encode(key.encode()).decode()}")],
        [("authorization", key)],
        [("authorization", f'Bearer "{key}"')],
        [("proxy-authorization", f"Bearer {key}")],
        [("x-api-key", key)],
        [("x-authorization", f"Bearer {key}")],
        [("cookie", f"authorization=Bearer {key}; access_token={key}")],
    ]

    assert {attempt(attacker, *headers).status for headers in smuggled} == {401}
    assert attempt(attacker, path=f"{BASE}/swarms?access_token={key}").status == 401
    body = json.dumps({"name": "never", "access_token": key}).encode()
    assert attempt(attacker, body=body).status == 401
    assert "never" not in {project["name"] for project in projects(owner)}


def test_nothing_that_a_request_says_of_its_caller_is_believed(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger
) -> None:
    theirs, me = RestClient(ironflock, stranger.account.api_key), owner.call("ironflock.auth.account.me")["account_key"]
    claims = {
        "x_account_key": str(me),
        "x_forwarded_for": "127.0.0.1",
        "x_forwarded_user": "owner@localhost",
        "forwarded": "for=127.0.0.1",
        "x_original_url": f"{BASE}/account",
        "x_http_method_override": "DELETE",
    }

    assert theirs.ask("GET", "/account", **claims).json["account_key"] == stranger.account_key
    for name in (
        "assertion",
        "account_key",
        "owner_account_key",
        "caller_authid",
        "forward_for",
        "details",
        "timeout_s",
    ):
        reply = theirs.ask("POST", "/swarms", {"name": new_name("plant"), name: me})
        assert (reply.status, reply.json["argument"]) == (422, name)
        assert theirs.ask("GET", f"/swarms?{name}={me}").status == 422
    assert theirs.ask("POST", f"/swarms?name={new_name('plant')}", {}).status == 422


def test_a_key_of_somebody_else_s_request_leads_to_nothing_of_theirs(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger
) -> None:
    name = new_name("plant")
    first = RestClient(ironflock, owner.api_key).ask("POST", "/swarms", {"name": name}, idempotency_key="shared")
    second = RestClient(ironflock, stranger.account.api_key).ask(
        "POST", "/swarms", {"name": name}, idempotency_key="shared"
    )

    assert (first.status, second.status) == (201, 201)
    assert first.json["project_key"] != second.json["project_key"]


TRICKS = [
    "/v1/ironflock/../ironflock/devices",
    "/v1/ironflock/./devices",
    "/v1/ironflock/devices/",
    "/v1/ironflock//devices",
    "//v1/ironflock/devices",
    "/v1//ironflock/devices",
    "/v1/ironflock/%64evices",
    "/v1/ironflock/devices%2f1",
    "/v1/ironflock/devices/%2e%2e/account",
    "/v1/ironflock/devices/..%2faccount",
    "/v1/ironflock/devices/%00",
    "/v1/ironflock/devices/1%00",
    "/v1/ironflock/devices/1;x=1",
    "/v1/ironflock/devices\\1",
    "/v1/ironflock/DEVICES",
    "/v1/ironflock/%ff",
    "/V1/ironflock/devices",
    "/v1/ironflock/sessions/..",
    "/v1/ironflock/sessions/%2e",
    "/v1/ironflock/" + "x" * 5000,
    "/v1/ironflock/" + "a/" * 500,
    "http://elsewhere.example/v1/ironflock/devices",
]


@pytest.mark.parametrize("path", TRICKS, ids=lambda path: path[:40])
def test_a_path_with_tricks_leads_nowhere(ironflock: RunningPlatform, owner: Account, path: str) -> None:
    reply = RestClient(ironflock, None).send("GET", path, [bearer(owner.api_key)])

    assert reply.status == 404
    assert owner.api_key.encode() not in reply.content


def test_no_other_origin_is_let_in(ironflock: RunningPlatform, owner: Account) -> None:
    rest = RestClient(ironflock, owner.api_key)
    asked = {"origin": "https://evil.example", "access_control_request_method": "POST"}

    plain, preflight = rest.ask("GET", "/devices", **asked), rest.ask("OPTIONS", "/devices", **asked)

    assert (plain.status, preflight.status) == (200, 405)
    for reply in (plain, preflight):
        assert not [name for name in reply.headers if name.startswith("access-control")]


def test_heads_and_bodies_are_bounded(ironflock: RunningPlatform, owner: Account) -> None:
    rest = RestClient(ironflock, owner.api_key)

    assert rest.ask("POST", "/swarms", {"name": "x" * 70_000}).status == 413
    assert rest.ask("POST", "/swarms", {"name": "x" * 60_000}).status == 422
    assert rest.send("GET", f"{BASE}/devices?" + "a=1&" * 2000, [bearer(owner.api_key)]).status == 400
    with pytest.raises(http.client.RemoteDisconnected):  # Twisted says nothing about a line of more than 16 KiB
        rest.ask("GET", "/devices", x="y" * 20_000)


def test_credentials_and_secrets_are_in_no_log_and_no_table(
    ironflock: RunningPlatform, owner: Account, attacker: RestClient
) -> None:
    device, wrong = owner.device(), mint(secrets.token_bytes(ENTROPY_OCTETS))
    rest = RestClient(ironflock, owner.api_key)
    flock = rest.ask("POST", f"/devices/{device['device_key']}/flash", idempotency_key="once").json["flock"]
    attempt(attacker, bearer(wrong))
    rest.ask("GET", f"/devices?access_token={owner.api_key}")
    rest.ask("GET", f"/devices/{owner.api_key}")

    kept = b"".join(file.read_bytes() for file in ironflock.state.log.rglob("*") if file.is_file())
    with ironflock.database() as connection:
        rows = connection.execute("SELECT row_to_json(answer)::text FROM gateway.answer AS answer").fetchall()
    kept += "".join(row[0] for row in rows).encode()
    for secret in (owner.api_key, wrong, flock["secret"]):
        assert secret.encode() not in kept
    assert rows


def test_an_address_that_guesses_is_held_back_alone(ironflock: RunningPlatform, owner: Account) -> None:
    address, guesses = new_address(), list[Reply]()
    while len(guesses) < 4 * FAILURES_PER_MINUTE and not (guesses and guesses[-1].status == 429):
        guess = RestClient(ironflock, mint(secrets.token_bytes(ENTROPY_OCTETS)), source=address)
        guesses.append(guess.ask("GET", "/account"))

    assert {guess.status for guess in guesses[:FAILURES_PER_MINUTE]} == {401}
    assert guesses[-1].status == 429
    assert int(guesses[-1].headers["retry-after"]) >= 1
    assert RestClient(ironflock, owner.api_key, source=new_address()).ask("GET", "/account").status == 200
