"""What a restore does to a database: nobody stays signed in, and what the ledger tells of happens again."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from deploy.backup.errors import BackupError
from deploy.backup.reviving import RESTORED, Revived, carried, read_ledger, revive, since
from services.audit.ledger import KEPT, LedgerFile
from shared.audit import Action
from tests.integration.database import Postgres

OWNER, ANNA, BERT = 1, 2, 3
AT = "2030-01-01T00:00:00.000000Z"
LATER = "2030-01-02T00:00:00.000000Z"
PEOPLE = (
    (
        "INSERT INTO auth.account (account_key, login_name, login_canonical, state, is_first_owner, password_hash,"
        " verified_at) OVERRIDING SYSTEM VALUE SELECT k, 'p' || k, 'p' || k, 'active', k = 1, 'argon2', now()"
        " FROM generate_series(1, 3) k"
    ),
    "INSERT INTO auth.person_key SELECT k, '\\x00' FROM generate_series(1, 3) k",
    (
        "INSERT INTO auth.api_key (key_id, account_key, name, key_hash, scopes, created_at, ends_at)"
        " SELECT 'key' || k || n, k, 'n', '\\x00', '{all}', now() + n * interval '1 second', now() + interval '9 days'"
        " FROM generate_series(1, 3) k, generate_series(1, 2) n"
    ),
    (
        "INSERT INTO auth.session (session_id, account_key, kind, amr, address, user_agent, last_address, ends_at)"
        " VALUES ('ses_1', 2, 'browser', '{pwd}', '::1', '', '::1', now() + interval '1 day')"
    ),
    (
        "INSERT INTO auth.totp (account_key, sealed, confirmed_at, last_step) VALUES (2, '\\x00', now(), 5),"
        " (3, '\\x00', now(), 5)"
    ),
    "INSERT INTO auth.recovery_code VALUES (2, '\\x00', NULL)",
    "INSERT INTO auth.assertion_key (key_id, public_jwk, sealed) VALUES ('old', '{}', '\\x00')",
    "INSERT INTO auth.signing_key (key_id, public_jwk, sealed) VALUES ('old', '{}', '\\x00')",
    (
        "INSERT INTO auth.device_credential (device_key, project_key, serial_number, state, flash_id, secret,"
        " app_cred_key, tunnel_proof_digest) SELECT k, 7, gen_random_uuid(), 'active', gen_random_uuid(), '\\x00',"
        " '\\x00', ('\\x0' || k)::bytea FROM generate_series(1, 3) k"
    ),
)
RIGHTS = (
    (
        "INSERT INTO privileges.domain (kind, key, owner_account_key, name, name_canonical) VALUES"
        " ('project', 7, 1, 'plant', 'plant')"
    ),
    "INSERT INTO privileges.asset (kind, key, domain_kind, domain_key) VALUES ('device', 9, 'project', 7)",
    "INSERT INTO privileges.member (project_key, account_key, since) VALUES (7, 2, now()), (7, 3, now())",
    (
        "INSERT INTO privileges.held_flag (account_key, kind, asset_key, flag, domain_kind, domain_key, is_visit,"
        " given_at) SELECT k, 'device', 9, f, 'project', 7, false, now() FROM generate_series(2, 3) k,"
        " unnest('{READ,OPERATE}'::text[]) f"
    ),
)


@pytest.fixture
def restored(postgres: Postgres) -> Postgres:
    """A database as a backup has it."""
    for statement in (*PEOPLE, *RIGHTS):
        postgres.run(statement)
    return postgres


def line(action: str, kind: str, key: object, **more: Any) -> dict[str, Any]:
    """A line of the ledger that the restored log does not know."""
    return {"leaf_index": 100, "at": AT, "action": action, "kind": kind, "key": key, **more}


def revived(postgres: Postgres, *lines: dict[str, Any], ledger: bool = True) -> None:
    """What a restore does."""
    with postgres.connect() as connection:
        revive(connection, list(lines) if ledger else None, {"backup": "b"})


def test_everybody_is_signed_out_and_no_code_or_token_of_before_opens_anything(restored: Postgres) -> None:
    revived(restored)

    assert restored.rows("SELECT count(*) FROM auth.session WHERE ended_at IS NULL") == [(0,)]
    assert restored.rows("SELECT (SELECT count(*) FROM auth.signing_key) + count(*) FROM auth.assertion_key") == [(0,)]
    steps = restored.rows("SELECT last_step >= floor(extract(epoch FROM now()) / 30) FROM auth.totp")
    assert steps == [(True,), (True,)]
    assert restored.rows("SELECT count(*) FROM auth.api_key WHERE ended_at IS NULL") == [(6,)]
    assert restored.rows("SELECT count(*) FROM privileges.lock") == [(0,)]


def test_the_log_tells_of_the_restore(restored: Postgres) -> None:
    revived(restored, line("api_key.ended", "api_key", "key21"))

    [(actor, after)] = restored.rows("SELECT actor, after FROM audit.queue WHERE action = 'installation.restored'")
    assert actor["kind"] == "operator"
    assert after == {"backup": "b", "replayed": 1, "at": after["at"]}


def test_keys_factors_and_passwords_that_were_ended_or_changed_open_nothing(restored: Postgres) -> None:
    revived(
        restored,
        line("api_key.ended", "api_key", "key21"),
        line("api_key.rotated", "api_key", "key22", after={"into": "x", "ends_at": "2020-01-01T00:00:00+00:00"}),
        line("password.changed", "account", ANNA),
        line("totp.removed", "account", ANNA),
        line("recovery_code.used", "account", ANNA),
    )

    alive = restored.rows("SELECT key_id FROM auth.api_key WHERE ended_at IS NULL AND ends_at > now() ORDER BY 1")
    assert [row[0] for row in alive] == ["key11", "key12", "key31", "key32"]
    assert restored.rows("SELECT account_key FROM auth.account WHERE password_hash IS NULL") == [(ANNA,)]
    assert restored.rows("SELECT account_key FROM auth.totp") == [(BERT,)]
    assert restored.rows("SELECT count(*) FROM auth.recovery_code") == [(0,)]


def test_an_erased_person_is_erased_again_and_their_key_is_gone(restored: Postgres) -> None:
    revived(restored, line("account.erased", "account", ANNA))

    [(name, state, key)] = restored.rows(
        "SELECT a.login_name, a.state, p.account_key FROM auth.account a"
        " LEFT JOIN auth.person_key p USING (account_key) WHERE a.account_key = 2"
    )
    assert (name, state, key) == (f"erased-{ANNA}", "disabled", None)
    assert restored.rows("SELECT count(*) FROM auth.api_key WHERE account_key = 2 AND ended_at IS NULL") == [(0,)]
    assert restored.rows("SELECT DISTINCT account_key FROM privileges.held_flag") == [(BERT,)]
    assert restored.rows("SELECT account_key FROM privileges.member") == [(BERT,)]


def test_of_a_disabled_account_the_last_word_counts(restored: Postgres) -> None:
    revived(
        restored,
        line("account.disabled", "account", ANNA),
        line("account.disabled", "account", BERT),
        line("account.enabled", "account", BERT),
    )

    assert restored.rows("SELECT account_key FROM auth.account WHERE state = 'disabled'") == [(ANNA,)]


def test_a_device_whose_secret_was_replaced_does_not_open_by_the_old_one(restored: Postgres) -> None:
    rotated = {"app_key": 4, "stage": "DEV", "epoch": 3}
    revived(
        restored,
        line("device_credential.issued", "device", 1),
        line("device_credential.ended", "device", 2),
        line("app_credential.rotated", "device", 3, after=rotated),
        line("app_credential.rotated", "device", 3, after={**rotated, "epoch": 2}),
    )

    assert restored.rows("SELECT device_key FROM auth.device_credential WHERE state = 'active'") == [(3,)]
    assert restored.rows("SELECT device_key, app_key, stage, epoch FROM auth.app_credential") == [(3, 4, "DEV", 3)]


def test_a_device_that_was_moved_does_not_open_the_project_that_it_was_taken_from(restored: Postgres) -> None:
    assert Action.DEVICE_CREDENTIAL_MOVED in KEPT
    revived(restored, line("device_credential.moved", "device", 1))

    assert restored.rows("SELECT device_key FROM auth.device_credential WHERE state = 'active' ORDER BY 1") == [
        (2,),
        (3,),
    ]


def test_rights_that_were_taken_are_taken_again_and_the_history_says_so(restored: Postgres) -> None:
    before = restored.rows("SELECT position FROM privileges.stream")[0][0]

    revived(
        restored,
        line("flag.taken", "device", 9, before={"account_key": ANNA, "flag": "OPERATE"}),
        line("membership.removed", "project", 7, after={"account_key": BERT}),
    )

    held = restored.rows("SELECT account_key, flag FROM privileges.held_flag")
    assert held == [(ANNA, "READ")]
    assert restored.rows("SELECT account_key FROM privileges.member") == [(ANNA,)]
    told = restored.rows("SELECT what, account_key, flag FROM privileges.change WHERE NOT is_on ORDER BY 1, 2, 3")
    assert told == [
        ("grant", ANNA, "OPERATE"),
        ("grant", BERT, "OPERATE"),
        ("grant", BERT, "READ"),
        ("member", BERT, None),
    ]
    assert restored.rows("SELECT position FROM privileges.stream")[0][0] == before + 1


def test_a_project_that_was_handed_over_is_its_new_owners(restored: Postgres) -> None:
    revived(restored, line("ownership.transferred", "project", 7, after={"owner_account_key": ANNA}))

    assert restored.rows("SELECT owner_account_key FROM privileges.domain WHERE kind = 'project'") == [(ANNA,)]


def test_locks_stand_again_unless_they_were_ended(restored: Postgres) -> None:
    revived(
        restored,
        line("lock.created", "account", ANNA, after={"ends_at": None}, actor=OWNER),
        line("lock.created", "device", 9, after={"ends_at": None}),
        line("lock.ended", "device", 9),
    )

    assert restored.rows("SELECT kind, key FROM privileges.lock") == [("person", str(ANNA))]


@pytest.mark.parametrize("ledger", [True, False])
def test_a_lock_of_the_backup_that_ends_sooner_does_not_stand_for_what_was_set_since(
    restored: Postgres, *, ledger: bool
) -> None:
    restored.run(
        "INSERT INTO privileges.lock (kind, key, ends_at, reason, is_operators, created_by, created_at)"
        " VALUES ('person', %s, now() + interval '2 hours', 'phone', false, 1, now())",
        str(ANNA),
    )
    lines = [line("lock.created", "account", ANNA, after={"ends_at": None}, actor=OWNER)] if ledger else []

    revived(restored, *lines, ledger=ledger)

    locks = restored.rows("SELECT ends_at, is_operators FROM privileges.lock WHERE key = %s", str(ANNA))
    assert locks == [(None, True)]


def test_without_a_ledger_everybody_but_the_first_owner_waits_for_a_word(restored: Postgres) -> None:
    revived(restored, ledger=False)

    locks = restored.rows("SELECT kind, key, reason FROM privileges.lock ORDER BY kind, key")
    assert locks == [("api_key", "key12", RESTORED), ("person", "2", RESTORED), ("person", "3", RESTORED)]


def test_a_restore_that_fails_half_way_has_done_nothing(restored: Postgres) -> None:
    with pytest.raises(Exception, match="invalid input syntax"):
        revived(restored, line("app_credential.rotated", "device", 3, after={"app_key": "x", "stage": "D", "epoch": 1}))

    assert restored.rows("SELECT count(*) FROM auth.session WHERE ended_at IS NULL") == [(1,)]


def test_only_what_the_log_does_not_know_is_replayed_and_it_is_carried_on_past_restores_it_knows(
    tmp_path: Path,
) -> None:
    known, unknown = line("api_key.ended", "api_key", "a"), line("api_key.ended", "api_key", "b")
    lines = [{**known, "leaf_index": 4}, {**unknown, "leaf_index": 5}, {**known, "leaf_index": None, "restores": [AT]}]
    none = frozenset[str]()

    assert since(lines, 5, none) == lines[1:]
    assert since(lines, 5, frozenset([AT])) == lines[1:2]
    file = tmp_path / "ledger"
    file.write_bytes(carried(lines, Revived(5, none, 2, LATER)))
    again = read_ledger(file)
    assert [each["leaf_index"] for each in again] == [4, None, None]
    assert since(again, 0, none) == again
    assert since(again, 5, frozenset([LATER])) == []
    assert since(again, 5, frozenset([AT])) == again[1:2]
    file.write_bytes(carried(again, Revived(9, frozenset([LATER]), 0, "2030-01-03T00:00:00.000000Z")))
    assert read_ledger(file) == again
    file.write_bytes(carried(lines, Revived(5, none, None, LATER)))
    assert (
        since(read_ledger(file), 5, frozenset([LATER])) == read_ledger(file)[1:]
    )  # none was replayed without a ledger


def test_what_a_restore_replayed_does_not_overrule_what_came_after_it(restored: Postgres, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with restored.connect() as connection:
        first = revive(connection, [line("account.disabled", "account", ANNA)], {"backup": "b"})
        ledger.write_bytes(carried([line("account.disabled", "account", ANNA)], first))
        connection.execute("UPDATE auth.account SET state = 'active'")

        second = revive(connection, read_ledger(ledger), {"backup": "c"})

    assert (first.replayed, second.replayed) == (1, 0)
    assert second.restores == frozenset([first.at])
    assert restored.rows("SELECT count(*) FROM auth.account WHERE state = 'disabled'") == [(0,)]


def days(*actions: str) -> list[dict[str, Any]]:
    """A ledger of what was done to Anna's account, one a day, each at a place of the log of its own."""
    return [
        line(action, "account", ANNA, leaf_index=10 * day, at=AT.replace("-01T", f"-{day:02}T"))
        for day, action in enumerate(actions, 1)
    ]


def test_after_a_restore_the_last_word_is_the_last_for_another_one_to_before(
    restored: Postgres, tmp_path: Path
) -> None:
    lines = days("account.disabled", "account.enabled", "account.disabled")
    file = LedgerFile(tmp_path / "ledger")
    (tmp_path / "ledger").write_bytes(carried(lines, Revived(25, frozenset(), 1, LATER)))
    file.append([each for each in lines[:2] if each["leaf_index"] >= file.position()])  # as audit does

    revived(restored, *read_ledger(tmp_path / "ledger"))

    assert restored.rows("SELECT account_key FROM auth.account WHERE state = 'disabled'") == [(ANNA,)]


def test_what_retention_took_from_the_log_since_stays_in_the_ledger(restored: Postgres, tmp_path: Path) -> None:
    taken = line("flag.taken", "device", 9, before={"account_key": ANNA, "flag": "OPERATE"}, leaf_index=4)
    (tmp_path / "ledger").write_bytes(carried([taken], Revived(25, frozenset(), 0, LATER)))

    revived(restored, *read_ledger(tmp_path / "ledger"))

    assert restored.rows("SELECT flag FROM privileges.held_flag WHERE account_key = %s", ANNA) == [("READ",)]


def test_a_ledger_that_is_out_of_order_is_replayed_in_order(restored: Postgres) -> None:
    first, second, last = days("lock.created", "lock.ended", "lock.created")

    revived(restored, {**last, "leaf_index": None}, first, second)

    assert restored.rows("SELECT kind, key FROM privileges.lock") == [("person", str(ANNA))]


def test_a_damaged_ledger_is_refused_but_not_for_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    whole = json.dumps(line("api_key.ended", "api_key", "a"))
    file = tmp_path / "ledger"

    file.write_text(f"{whole}\n{whole[:20]}")
    assert len(read_ledger(file)) == 1
    for damaged in (
        f"{whole[:20]}\n{whole}\n",
        "[]\n",
        f'{whole[:-1]}, "restores": [1]}}\n',
        f'{{"at": "{secrets.token_hex(2)}"}}\n',
    ):
        file.write_text(damaged)
        with pytest.raises(BackupError, match="line 1"):
            read_ledger(file)
    with pytest.raises(BackupError):
        read_ledger(tmp_path / "absent")


def test_what_was_open_to_the_public_is_not_any_more_and_nobody_is_visiting(restored: Postgres) -> None:
    for port in (80, 443):
        restored.run(
            "INSERT INTO tunnels.tunnel (device_key, project_key, app, port, protocol, public_since, declared_by)"
            " VALUES (9, 7, 'press', %s, 'http', now(), 1)",
            port,
        )
    restored.run(
        "INSERT INTO tunnels.visit (tunnel_key, device_key, project_key, app, port, protocol, hard_end)"
        " VALUES (1, 9, 7, 'press', 80, 'http', now())"
    )

    revived(restored, line("tunnel.unpublished", "device", 9, after={"app": "press", "port": 80, "protocol": "http"}))

    assert restored.rows("SELECT port FROM tunnels.tunnel WHERE public_since IS NOT NULL") == [(443,)]
    assert restored.rows("SELECT cause FROM tunnels.visit") == [("restored",)]
