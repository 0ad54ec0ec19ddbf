"""Direct SQL with a real client through the front: who comes in, what is passed on to PostgreSQL, what ends it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql

from services.fleetdb import sql_front, sql_sessions
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.sql import Admission
from services.fleetdb.rules import pgwire
from services.fleetdb.sql_front import MAX_OF_ONE, TLS_WANTED, FrontParts, SqlFront
from services.fleetdb.upstream import Upstreams
from shared.clusters import Address
from shared.errors import NotAuthorizedError
from shared.tls import ServerContexts
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.fleetdb.certified import Certifier
from tests.integration.fleetdb.plain import CERTIFIED, Plain
from tests.integration.fleetdb.sql_clients import BERT, REALM, Desk, Front, bound, many, prepared, silent, spoken
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.fixture(name="reader")
def fixture_reader(plain: Plain, make_backend: Callable[..., Backend]) -> Backend:
    """A backend with one table of two rows; who logs in only reads."""
    backend = make_backend(group=CERTIFIED)
    with plain.connect() as connection:
        names = {"schema": sql.Identifier(backend.schema), "login": sql.Identifier(backend.login)}
        for statement in (
            "CREATE TABLE {schema}.weather (tsp timestamptz, degrees numeric)",
            "INSERT INTO {schema}.weather VALUES ('2026-01-01', 20.5), ('2026-01-02', NULL)",
            "ALTER ROLE {login} SET default_transaction_read_only = on",
            "ALTER ROLE {login} RESET role",
            "GRANT USAGE ON SCHEMA {schema} TO {login}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {login}",
        ):
            connection.execute(sql.SQL(statement).format(**names))
    return backend


@pytest_asyncio.fixture(name="front")
async def fixture_front(
    server: Postgres, reader: Backend, authority: Certifier, tmp_path: Path
) -> AsyncIterator[Front]:
    files = make_certificates(tmp_path)
    own = ServerContexts(files.certificate, files.key)
    key = ec.generate_private_key(ec.SECP256R1())
    login = tmp_path / "login.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    login.write_bytes(private + authority.sign(reader.login, key.public_key()).encode())

    async def tls_of(_: Admission) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(server.ca))
        context.load_cert_chain(login)
        return context

    desk = Desk(reader)
    front = SqlFront(
        own.current,
        FrontParts(desk, Upstreams(lambda _: Address("localhost", server.port, server.ca), tls_of), desk),
        lambda: 1.8e9,
    )
    await front.listen("127.0.0.1", 0)
    made = Front(desk, front.port, files.ca, front)
    try:
        yield made
    finally:
        for writer in made.silent:
            writer.transport.abort()
        await front.stop()


async def test_a_person_reads_and_everything_is_recorded(front: Front) -> None:
    async with await front.connect() as connection:
        rows = await (await connection.execute("SELECT degrees FROM weather ORDER BY tsp")).fetchall()
        named = await (await connection.execute("SELECT %s::text, %s::int", ["ü", 5])).fetchone()

    assert [str(row[0]) for row in rows] == ["20.5", "None"]
    assert named == ("ü", 5)

    async def ended() -> bool:
        return front.desk.said("ended") == [(2, 3, "a side left")]

    await eventually(ended, 5, "the end is recorded")
    assert front.desk.said("begun") == [5]
    assert front.desk.said("asked") == ["SELECT degrees FROM weather ORDER BY tsp", "SELECT $1::text, $2::int"]


async def test_a_prepared_statement_is_recorded_each_time_that_it_runs(front: Front) -> None:
    async with await front.connect() as connection:
        for number in range(3):
            await connection.execute("SELECT %s::int", [number], prepare=True)

    assert front.desk.said("asked") == ["SELECT $1::int"] * 3


async def test_what_runs_is_recorded_whatever_was_said_to_be_prepared(front: Front) -> None:
    sync = pgwire.message(b"S", b"")
    gold, harmless = b"SELECT 'gold' FROM weather", b"SELECT 1"

    said = await spoken(
        front,
        prepared(b"a", gold) + sync,
        prepared(b"a", harmless) + sync,  # refused: there is one of that name
        bound(b"a"),
        prepared(b"", gold) + sync,
        bound(b"nothing")[:-5] + prepared(b"", harmless) + sync,  # skipped, since there is nothing of that name
        bound(b""),
    )

    assert sum(b"gold" in each for each in said if each[:1] == b"D") == 4
    assert front.desk.said("asked")[0] == gold.decode()
    assert front.desk.said("asked")[-1] == gold.decode()


async def test_a_long_statement_is_recorded_when_it_is_prepared(front: Front) -> None:
    statement = f"/* {'x' * 10_000} */ SELECT 5"
    async with await front.connect() as connection:
        await connection.execute(statement.encode(), prepare=True)

    assert front.desk.said("asked") == [statement, "EXECUTE _pg3_0"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO weather VALUES (now(), 1)",
        "SET default_transaction_read_only = off; INSERT INTO weather VALUES (now(), 1)",
        "CREATE TABLE mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "DROP TABLE weather",
        "SELECT lo_create(0)",
        "COPY weather FROM STDIN",
    ],
)
async def test_nobody_writes(front: Front, statement: str) -> None:
    async with await front.connect() as connection:
        with pytest.raises(psycopg.Error):
            await connection.execute(statement.encode())


async def test_rows_that_are_copied_out_are_counted(front: Front) -> None:
    async with (
        await front.connect() as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY (SELECT degrees FROM weather) TO STDOUT") as copy,
    ):
        assert len([row async for row in copy.rows()]) == 2

    async def ended() -> bool:
        return [rows for _, rows, _ in front.desk.said("ended")] == [2]

    await eventually(ended, 5, "the end is recorded")


async def test_a_large_answer_passes_whole(front: Front) -> None:
    async with await front.connect() as connection:
        cursor = await connection.execute("SELECT repeat('x', 2000000) || g FROM generate_series(1, 5) g")
        rows = await cursor.fetchall()

    assert [len(row[0]) for row in rows] == [2_000_001] * 5


@pytest.mark.parametrize("dbname", ["realm-7-26-prod", "realm-8-26-dev", "ironflock", "postgres", "x" * 900])
async def test_another_name_is_nothing(front: Front, dbname: str) -> None:
    assert "there is no such data backend" in await front.refusal(dbname=dbname)
    assert front.desk.entries == []


@pytest.mark.parametrize("password", ["wrong", "ü" * 1_000])
async def test_a_wrong_password_opens_nothing(front: Front, password: str) -> None:
    assert "opens nothing" in await front.refusal(password)


async def test_a_password_of_no_end_is_refused(front: Front) -> None:
    assert "a message may have" in await front.refusal("x" * 10_000)


async def test_nothing_goes_in_clear(front: Front) -> None:
    assert TLS_WANTED in await front.refusal(sslmode="disable", sslrootcert="")


async def test_what_comes_in_clear_behind_the_request_for_tls_is_refused(front: Front) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(pgwire.ssl_request() + pgwire.startup("anna", REALM, {}))

    assert b"something came between" in await reader.read()
    writer.close()


async def test_whoever_says_nothing_is_sent_off(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fleetdb.sql_front.HANDSHAKE_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)

    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_silent_crowd_keeps_nobody_out_not_even_of_its_own_address(
    front: Front, monkeypatch: pytest.MonkeyPatch, *, has_begun: bool
) -> None:
    crowd = await silent(front, "127.0.0.1", sql_front.STRANGERS_OF_AN_ADDRESS, has_begun=has_begun)
    # What comes before TLS, libpq does not show (CVE-2024-10977).
    assert "server sent an error response" in await front.refusal()
    monkeypatch.setattr("shared.places.ROOM_AFTER_S", 0.0)
    async with await front.connect() as connection:
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    assert await asyncio.wait_for(crowd[0].read(), 5) == b""
    assert not any(reader.at_eof() for reader in crowd[1:])


async def test_who_leaves_instead_of_a_tls_handshake_leaves_nothing_behind(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(pgwire.ssl_request())
        assert await reader.read(1) == b"S"
        writer.close()
        await writer.wait_closed()

    async def are_gone() -> bool:
        return not front.served._open

    await eventually(are_gone, 5, "nothing is open any more")
    assert "never retrieved" not in caplog.text


async def test_the_silent_of_one_address_take_no_place_of_another(front: Front) -> None:
    crowd = await silent(front, "127.0.0.9", 2 * sql_front.STRANGERS_OF_AN_ADDRESS, has_begun=False)

    async with await front.connect() as connection:
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    for reader in crowd[sql_front.STRANGERS_OF_AN_ADDRESS :]:
        assert b"too many connections" in await asyncio.wait_for(reader.read(), 5)


async def test_the_sessions_of_all_people_are_bounded(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_front, "MAX_CONNECTIONS", 1)
    async with await front.connect():
        assert "too many connections" in await front.refusal(BERT)

    async def again() -> bool:
        with suppress(psycopg.OperationalError):
            async with await front.connect(BERT):
                return True
        return False

    await eventually(again, 5, "there is room again")


async def test_what_is_no_client_of_postgresql_is_refused(front: Front) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")

    assert b"this is no PostgreSQL client" in await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_a_session_that_cannot_be_recorded_does_not_begin(front: Front) -> None:
    front.desk.unrecordable = "begun"

    assert "the log is away" in await front.refusal()


async def test_a_statement_that_cannot_be_recorded_is_not_passed_on(front: Front) -> None:
    async with await front.connect() as connection:
        front.desk.unrecordable = "asked"
        with pytest.raises(psycopg.OperationalError, match="the log is away"):
            await connection.execute("SELECT 1")


async def test_whoever_may_not_any_more_has_no_further_statement(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_sessions, "CONFIRMED_FOR_S", 0.0)
    async with await front.connect() as connection:
        await connection.execute("SELECT 1")
        front.desk.refusal = NotAuthorizedError("this needs CONNECT")
        with pytest.raises(psycopg.OperationalError, match="this needs CONNECT"):
            await connection.execute("SELECT 2")

    assert front.desk.said("asked") == ["SELECT 1"]


async def test_a_statement_that_runs_is_cut_when_the_right_is_gone(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_sessions, "CONFIRMED_FOR_S", 0.0)
    monkeypatch.setattr(sql_sessions, "LOOK_EVERY_S", 0.05)
    async with await front.connect() as connection:
        running = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))

        async def asked() -> bool:
            return "SELECT pg_sleep(60)" in front.desk.said("asked")

        await eventually(asked, 5, "it runs")
        front.desk.refusal = NotAuthorizedError("this needs CONNECT")
        with pytest.raises(psycopg.OperationalError, match="this needs CONNECT"):
            await asyncio.wait_for(running, 5)


async def test_a_session_ends_with_its_credential(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_sessions, "LOOK_EVERY_S", 0.05)
    front.desk.ends_at = 1.0
    async with await front.connect() as connection:
        with pytest.raises(psycopg.OperationalError, match="has ended"):
            await connection.execute("SELECT pg_sleep(60)")


async def test_a_session_that_nobody_uses_ends(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_sessions, "IDLE_S", 0.05)
    monkeypatch.setattr(sql_sessions, "LOOK_EVERY_S", 0.05)
    async with await front.connect():

        async def ended() -> bool:
            return [cause for *_, cause in front.desk.said("ended")] == [sql_sessions.IDLE]

        await eventually(ended, 5, "it ends")


async def test_a_statement_is_cancelled_by_its_own_client_alone(front: Front) -> None:
    async with await front.connect() as connection, await front.connect(BERT) as other:
        running = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))

        async def asked() -> bool:
            return bool(front.desk.said("asked"))

        await eventually(asked, 5, "it runs")
        await other.cancel_safe()
        assert await (await other.execute("SELECT 1")).fetchone() == (1,)
        assert not running.done()
        await connection.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await asyncio.wait_for(running, 5)


async def test_one_person_has_four_connections_and_others_theirs(front: Front) -> None:
    async with many(front, MAX_OF_ONE):
        assert "you have 4 connections already" in await front.refusal()
        async with await front.connect(BERT) as other:
            assert await (await other.execute("SELECT 1")).fetchone() == (1,)


async def test_they_are_four_also_where_they_come_at_once(front: Front) -> None:
    came = await asyncio.gather(*(front.connect() for _ in range(3 * MAX_OF_ONE)), return_exceptions=True)

    there = [each for each in came if isinstance(each, psycopg.AsyncConnection)]
    for each in there:
        await each.close()
    assert len(there) == MAX_OF_ONE
    assert all("you have 4 connections already" in str(each) for each in came if isinstance(each, BaseException))


async def test_what_only_the_server_may_say_is_refused(front: Front) -> None:
    async with await front.connect() as connection:
        sent: Callable[[bytes], Any] = connection.pgconn.put_copy_data  # not while there is no COPY
        with pytest.raises(psycopg.Error):
            sent(b"x")


async def test_a_setting_that_the_database_does_not_take_is_told(front: Front) -> None:
    refusal = await front.refusal(client_encoding="nonsense")

    assert "does not take how you want to connect" in refusal
    assert "nonsense" in refusal


async def test_where_the_database_does_not_know_the_login_it_is_away(front: Front) -> None:
    front.desk.backend = attrs.evolve(front.desk.backend, login="l_nobody")

    assert "the database is away" in await front.refusal()
