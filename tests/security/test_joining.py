"""Attempts to get in: each is refused, and learns nothing."""

import asyncio
import json
import statistics

import pytest

from shared.api_keys import checksum
from tests.harness.accounts import Stranger
from tests.harness.clients import (
    Account,
    authid_of,
    connect,
    flashed_devices,
    join_device,
    join_person,
    join_service,
    refusal,
)
from tests.harness.running import RunningPlatform
from tests.integration.router_node.node import new_address
from tests.integration.router_node.wire import ABORT, CHALLENGE, AbortedError, ClosedError, Peer, sign

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

NEUTRAL = ("wamp.error.authentication_failed", "authentication failed")
PUBLIC = ("/ws-re-dev", "/ws-usr", "/ws-ua-usr")
SAMPLES = 7
SIMILAR_S = 0.15


@pytest.mark.parametrize("path", [*PUBLIC, "/ws-svc"])
@pytest.mark.parametrize("methods", [["anonymous"], [], ["tls"], ["scram"], ["cookie"]], ids=str)
async def test_nobody_joins_anonymously_or_by_a_method_of_another_kind(
    ironflock: RunningPlatform, path: str, methods: list[str]
) -> None:
    async with await connect(ironflock, path, source=new_address()) as peer:
        answer = await peer.hello("realm1", None, methods)
        assert (answer[0], answer[2]) == (ABORT, "wamp.error.no_auth_method")


async def test_a_wrong_secret_and_an_unknown_principal_look_alike_and_take_alike_long(
    ironflock: RunningPlatform,
) -> None:
    known = [authid_of(flock) for flock in await flashed_devices(ironflock, SAMPLES)]
    unknown = [f"1-{8_000_000 + number}" for number in range(SAMPLES)]

    wrong_secret = [await refusal(ironflock, "/ws-re-dev", "realm1", authid, "wrong") for authid in known]
    nobody = [await refusal(ironflock, "/ws-re-dev", "realm1", authid, "wrong") for authid in unknown]

    assert {answer[:2] for answer in wrong_secret + nobody} == {NEUTRAL}
    medians = [statistics.median(answer[2] for answer in answers) for answers in (wrong_secret, nobody)]
    assert abs(medians[0] - medians[1]) < SIMILAR_S


async def test_a_challenge_says_nothing_about_who_is_there(ironflock: RunningPlatform, owner: Account) -> None:
    flock = owner.flashed()
    challenges = []
    for authid in (authid_of(flock), "1-8999999", "nonsense"):
        async with await connect(ironflock, "/ws-re-dev", source=new_address()) as peer:
            answer = await peer.hello("realm1", authid, ["wampcra"])
            assert answer[0] == CHALLENGE
            challenges.append(answer[2])
    assert len({frozenset(challenge) for challenge in challenges}) == 1
    assert len({frozenset(json.loads(challenge["challenge"])) for challenge in challenges}) == 1


async def test_a_device_of_another_project_key_is_unknown(ironflock: RunningPlatform, owner: Account) -> None:
    one, other = owner.flashed(), owner.flashed()
    authid = f"{other['swarm_key']}-{one['device_key']}"

    assert (await refusal(ironflock, "/ws-re-dev", "realm1", authid, one["secret"]))[:2] == NEUTRAL


@pytest.mark.parametrize("spelling", ["0{}", "{} ", " {}", "{}\n", "+{}", "{}.0"])
async def test_an_authid_has_one_spelling(ironflock: RunningPlatform, owner: Account, spelling: str) -> None:
    flock = owner.flashed()

    answer = await refusal(ironflock, "/ws-re-dev", "realm1", spelling.format(authid_of(flock)), flock["secret"])

    assert answer[:2] == NEUTRAL


async def test_an_answer_to_the_challenge_of_another_connection_is_refused(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    async with (
        await connect(ironflock, "/ws-re-dev", source=new_address()) as overheard,
        await connect(ironflock, "/ws-re-dev", source=new_address()) as attacker,
    ):
        challenge = (await overheard.hello("realm1", authid_of(flock), ["wampcra"]))[2]["challenge"]
        await attacker.hello("realm1", authid_of(flock), ["wampcra"])

        answer = await attacker.authenticate(sign(flock["secret"], challenge))

        assert (answer[0], answer[2], answer[1]["message"]) == (ABORT, *NEUTRAL)


async def is_refused(peer: Peer, signature: str) -> bool:
    try:
        return bool((await peer.authenticate(signature))[0] == ABORT)
    except ClosedError:
        return True


async def test_an_authenticate_without_or_after_its_challenge_is_refused(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    async with await connect(ironflock, "/ws-re-dev", source=new_address()) as peer:
        assert await is_refused(peer, sign(flock["secret"], "{}"))
    async with await connect(ironflock, "/ws-re-dev", source=new_address()) as peer:
        challenge = (await peer.hello("realm1", authid_of(flock), ["wampcra"]))[2]["challenge"]
        assert (await peer.authenticate("wrong"))[0] == ABORT
        assert (await peer.authenticate(sign(flock["secret"], challenge)))[0] == ABORT
        with pytest.raises(ClosedError):
            await peer.receive()


@pytest.mark.parametrize("path", ["/ws-re-dev", "/ws-ua-usr"])
@pytest.mark.parametrize("realm", ["realm1", "ironflock.system"])
async def test_a_services_secret_opens_nothing_on_the_public_paths(
    ironflock: RunningPlatform, path: str, realm: str
) -> None:
    for name in ("svc_auth", "svc_devices"):
        answer = await refusal(ironflock, path, realm, name, ironflock.secret(f"bus/{name}"))
        assert answer[:2] == NEUTRAL


async def test_a_devices_secret_opens_nothing_on_the_services_path(ironflock: RunningPlatform, owner: Account) -> None:
    flock = owner.flashed()

    for realm in ("realm1", "ironflock.system"):
        assert (await refusal(ironflock, "/ws-svc", realm, authid_of(flock), flock["secret"]))[:2] == NEUTRAL
    for name in ("svc_auth", "svc_nobody", "../database/postgres", "trusted", ""):
        assert (await refusal(ironflock, "/ws-svc", "realm1", name, flock["secret"]))[:2] == NEUTRAL


async def test_one_service_cannot_join_as_another(ironflock: RunningPlatform) -> None:
    answer = await refusal(ironflock, "/ws-svc", "realm1", "svc_auth", ironflock.secret("bus/svc_devices"))

    assert answer[:2] == NEUTRAL


async def test_the_services_path_is_not_on_the_public_port(ironflock: RunningPlatform) -> None:
    with pytest.raises(ClosedError):
        await (await Peer.connect(ironflock.ports.router_public, "/ws-svc", ironflock.tls)).drop()


async def test_a_device_joins_no_other_realm(ironflock: RunningPlatform, owner: Account) -> None:
    flock = owner.flashed()

    for realm in ("ironflock.system", "realm2", "com.crossbario.fabric", "crossbar"):
        answer = await refusal(ironflock, "/ws-re-dev", realm, authid_of(flock), flock["secret"])
        assert answer[:2] == NEUTRAL


async def test_an_app_that_is_installed_nowhere_is_refused_like_anybody(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    serial = flock["serial_number"]

    for realm, authid, secret in (
        (f"realm-{flock['swarm_key']}-1-prod", serial, serial),
        ("realm1", f"app-1-prod-e1@{serial}", "x"),
        ("realm1", authid_of(flock), flock["secret"]),
    ):
        assert (await refusal(ironflock, "/ws-ua-usr", realm, authid, secret))[:2] == NEUTRAL


async def join_refusal(platform: RunningPlatform, api_key: str) -> tuple[str, str | None]:
    with pytest.raises(AbortedError) as caught:
        await (await join_person(platform, api_key, source=new_address())).drop()
    return caught.value.reason, caught.value.message


def changed(platform: RunningPlatform, statement: str, stranger: Stranger) -> None:
    with platform.database() as connection:
        connection.execute(statement.encode(), [stranger.account_key])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth.api_key SET ended_at = now() WHERE account_key = %s",
        "UPDATE auth.api_key SET ends_at = now() WHERE account_key = %s",
        "UPDATE auth.account SET state = 'disabled' WHERE account_key = %s",
        "DELETE FROM auth.api_key WHERE account_key = %s",
        "UPDATE auth.api_key SET key_hash = sha256('other') WHERE account_key = %s",
    ],
    ids=["ended", "past-its-end", "of-a-disabled-account", "deleted", "another-secret"],
)
async def test_an_api_key_that_does_not_open_any_more_gets_the_neutral_text(
    ironflock: RunningPlatform, stranger: Stranger, statement: str
) -> None:
    await (await join_person(ironflock, stranger.account.api_key)).drop()

    changed(ironflock, statement, stranger)

    assert await join_refusal(ironflock, stranger.account.api_key) == NEUTRAL


async def test_a_ticket_that_opens_nothing_gets_the_neutral_text_whatever_it_is(
    ironflock: RunningPlatform, owner: Account
) -> None:
    almost = owner.api_key[:-7] + ("0" if owner.api_key[-7] != "0" else "1")
    secrets = [owner.flashed()["secret"], ironflock.secret("bus/svc_auth"), ironflock.secret("database/postgres")]
    malformed = ["", "x", "ifk_", "é", "x" * 60_000, "' OR 1=1 --", "null"]
    tickets = [*malformed, *secrets, almost + checksum(almost)]

    answers = await asyncio.gather(*(join_refusal(ironflock, ticket) for ticket in tickets))

    assert set(answers) == {NEUTRAL}


async def test_who_joins_is_told_nothing_of_the_routers_inside(ironflock: RunningPlatform, owner: Account) -> None:
    sessions = [
        await join_device(ironflock, owner.flashed()),
        await join_person(ironflock),
        await join_service(ironflock, "devices"),
    ]
    for session in sessions:
        assert "x_cb" not in json.dumps(session.details)
        assert str(ironflock.pid("router")) not in json.dumps(session.details.get("authextra"))
        await session.drop()
