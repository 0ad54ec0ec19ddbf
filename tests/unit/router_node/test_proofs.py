"""From a challenge's answer to an identity."""

import json
from pathlib import Path
from typing import Any

import pytest
from autobahn.wamp.auth import compute_wcs
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from ironflock_router.authentication.credentials import Credentials, CredentialsAwayError
from ironflock_router.authentication.doors import CRA, TICKET, Door
from ironflock_router.authentication.proofs import Claim, Proofs, challenge_text
from ironflock_router.authentication.refusals import AWAY, ENDED_DEVICE, NO_SUCH_REALM, WRONG_PROOF
from ironflock_router.records import Identity
from shared.board_tickets import mint

CREDENTIAL = {
    "state": "active",
    "secret": "s",
    "device_key": 7,
    "project_key": 1,
    "serial_number": "S7",
    "flash_id": "F1",
}
APP = {"secret": "s", "role": "app", "reason": "app", "authid": "S7", "device_key": 7, "project_key": 1}
APP_AUTHID = "app-2-prod-e3@S7"
APP_REALM = "realm-1-2-prod"
CHALLENGE = "a challenge"


class Case:
    """Proofs over an `auth` that answers as told."""

    def __init__(self, folder: Path, answer: Any = None) -> None:
        """`answer` is what `auth` says, a Deferred included; services' secrets lie in `folder`."""
        self.answer = answer
        self.proven = answer
        """What `auth` says where it is told that the secret was proved."""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.clock = Clock()
        self.proofs = Proofs(Credentials(self._call, self.clock, 3.0, folder), "first")

    def _call(self, procedure: str, **arguments: Any) -> "Deferred[Any]":
        self.asked.append((procedure, arguments))
        if arguments.get("is_proven"):
            return succeed(self.proven)
        if isinstance(self.answer, Deferred):
            return self.answer
        return fail(self.answer) if isinstance(self.answer, Exception) else succeed(self.answer)

    def check(self, door: Door, realm: str, authid: str, signature: str, method: str = CRA) -> Any:
        """The outcome, or the failure."""
        claim = Claim(door, realm, authid, "10.0.0.1", CHALLENGE, method)
        results: list[Any] = []
        Deferred.fromCoroutine(self.proofs.check(claim, signature)).addBoth(results.append)  # type: ignore[unused-awaitable]
        return results[0] if results else None


def signed(secret: str) -> str:
    return str(compute_wcs(secret.encode(), CHALLENGE.encode()).decode())


def test_a_device_that_proves_its_secret_is_who_auth_says(tmp_path: Path) -> None:
    identity = Case(tmp_path, CREDENTIAL).check(Door.DEVICES, "realm1", "1-7", signed("s"))
    assert isinstance(identity, Identity)
    assert (identity.role, identity.authid, identity.serial, identity.device_key) == ("device", "1-7", "S7", 7)
    assert identity.authextra["flash_id"] == "F1"


@pytest.mark.parametrize("signature", ["", "x", "\ud800", "é", signed("other"), signed("s") + "x", signed("s")[:-1]])
def test_any_other_signature_is_a_wrong_proof(tmp_path: Path, signature: str) -> None:
    assert Case(tmp_path, CREDENTIAL).check(Door.DEVICES, "realm1", "1-7", signature) is WRONG_PROOF


def test_an_unknown_device_is_a_wrong_proof_whatever_it_signs(tmp_path: Path) -> None:
    for secret in ("", "s"):
        assert Case(tmp_path, None).check(Door.DEVICES, "realm1", "1-7", signed(secret)) is WRONG_PROOF


@pytest.mark.parametrize("cell", [None, "first"])
def test_a_device_of_this_cell_or_of_an_installation_with_one_is_let_in(tmp_path: Path, cell: str | None) -> None:
    case = Case(tmp_path, CREDENTIAL | {"cell": cell})

    assert isinstance(case.check(Door.DEVICES, "realm1", "1-7", signed("s")), Identity)


def test_a_device_of_another_cell_reads_what_a_stranger_reads_and_the_log_where_it_belongs(tmp_path: Path) -> None:
    case = Case(tmp_path, CREDENTIAL | {"cell": "south"})

    refusal = case.check(Door.DEVICES, "realm1", "1-7", signed("s"))

    assert (refusal.reason, refusal.message) == (WRONG_PROOF.reason, WRONG_PROOF.message)
    assert (refusal.outcome, refusal.cell) == ("other_cell", "south")
    assert case.check(Door.DEVICES, "realm1", "1-7", signed("other")) is WRONG_PROOF
    assert (
        Case(tmp_path, CREDENTIAL | {"cell": "south", "state": "ended"}).check(
            Door.DEVICES, "realm1", "1-7", signed("s")
        )
        is ENDED_DEVICE
    )


WHO_PROVES = [
    pytest.param(Door.DEVICES, "realm1", "1-7", CREDENTIAL, id="device"),
    pytest.param(Door.APPS, APP_REALM, APP_AUTHID, APP, id="app"),
]


@pytest.mark.parametrize(("door", "realm", "authid", "credential"), WHO_PROVES)
def test_only_for_who_proves_the_secret_it_is_asked_where_they_belong(
    tmp_path: Path, door: Door, realm: str, authid: str, credential: dict[str, Any]
) -> None:
    case = Case(tmp_path, credential | {"cell": ""})

    assert case.check(door, realm, authid, signed("other")) is WRONG_PROOF
    assert ["is_proven" in arguments for _, arguments in case.asked] == [False]

    assert case.check(door, realm, authid, signed("s")) is AWAY  # nobody can say
    case.proven = credential | {"cell": "first"}
    assert isinstance(case.check(door, realm, authid, signed("s")), Identity)
    case.proven = credential | {"cell": "south"}
    assert case.check(door, realm, authid, signed("s")).cell == "south"
    case.proven = None
    assert case.check(door, realm, authid, signed("s")) is AWAY
    assert [arguments.get("is_proven") for _, arguments in case.asked] == [None, *[None, True] * 4]


def test_who_was_given_another_secret_meanwhile_is_who_proved_the_old_one(tmp_path: Path) -> None:
    case = Case(tmp_path, CREDENTIAL | {"cell": ""})
    case.proven = CREDENTIAL | {"secret": "new", "flash_id": "F2", "cell": "first"}

    assert case.check(Door.DEVICES, "realm1", "1-7", signed("s")).authextra["flash_id"] == "F1"
    assert case.check(Door.DEVICES, "realm1", "1-7", signed("new")) is WRONG_PROOF


def test_an_app_of_which_nobody_can_say_how_it_stands_reads_so_if_it_proves_its_secret(tmp_path: Path) -> None:
    case = Case(tmp_path, {"reason": "unsettled", "secret": "s", "role": None})

    assert case.check(Door.APPS, APP_REALM, APP_AUTHID, signed("s")) is AWAY
    assert case.check(Door.APPS, APP_REALM, APP_AUTHID, signed("other")) is WRONG_PROOF


def test_an_ended_device_reads_so_with_its_last_secret_only(tmp_path: Path) -> None:
    case = Case(tmp_path, CREDENTIAL | {"state": "ended"})
    assert case.check(Door.DEVICES, "realm1", "1-7", signed("s")) is ENDED_DEVICE
    assert case.check(Door.DEVICES, "realm1", "1-7", signed("other")) is WRONG_PROOF


@pytest.mark.parametrize(
    "authid",
    [
        "",
        "1",
        "1-",
        "-7",
        "1-7-",
        "1-7\n",
        "0-7",
        "1-0",
        "01-7",
        "1-07",
        "a-b",
        "1-" + "7" * 17,
        "\u0661-\u0667",
        "1-7" * 100,
    ],
)
def test_auth_is_not_asked_for_what_cannot_be_a_device(tmp_path: Path, authid: str) -> None:
    case = Case(tmp_path, CREDENTIAL)
    assert case.check(Door.DEVICES, "realm1", authid, signed("s")) is WRONG_PROOF
    assert case.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        ApplicationError("wamp.error.no_such_procedure"),
        ApplicationError("ironflock.error.unavailable"),
        {},
        [],
        "x",
        CREDENTIAL | {"state": "strange"},
        CREDENTIAL | {"serial_number": "a.b"},
        CREDENTIAL | {"serial_number": ""},
        CREDENTIAL | {"secret": ""},
        CREDENTIAL | {"device_key": None},
    ],
)
def test_an_auth_that_is_away_or_talks_nonsense_settles_nothing(tmp_path: Path, answer: Any) -> None:
    failure = Case(tmp_path, answer).check(Door.DEVICES, "realm1", "1-7", signed("s"))
    assert failure.check(CredentialsAwayError)


def test_an_auth_that_is_silent_is_away_in_time(tmp_path: Path) -> None:
    case = Case(tmp_path, Deferred())
    claim = Claim(Door.DEVICES, "realm1", "1-7", "10.0.0.1", CHALLENGE)
    results: list[Any] = []
    Deferred.fromCoroutine(case.proofs.check(claim, signed("s"))).addBoth(results.append)  # type: ignore[unused-awaitable]
    case.clock.advance(2.9)
    assert results == []
    case.clock.advance(0.2)
    assert results[0].check(CredentialsAwayError)


def test_a_person_is_the_account_of_the_ticket(tmp_path: Path) -> None:
    case = Case(tmp_path, {"account_key": 5, "credential": "k", "scopes": ["read"], "ends_at": 12.5})
    identity = case.check(Door.PEOPLE, "realm1", "", "ticket")
    assert (identity.authid, identity.role, identity.authextra, identity.ends_at) == (
        "5",
        "user",
        {"credential": "k", "scopes": ["read"]},
        12.5,
    )
    assert case.asked == [("ironflock.auth.ticket.verify", {"ticket": "ticket", "address": "10.0.0.1"})]


@pytest.mark.parametrize("ticket", ["", "x" * 4097, "\ud800", "é"])
def test_auth_is_not_asked_for_what_cannot_be_a_ticket(tmp_path: Path, ticket: str) -> None:
    case = Case(tmp_path, {"account_key": 5, "credential": "k", "scopes": ["read"], "ends_at": None})
    assert case.check(Door.PEOPLE, "realm1", "", ticket) is WRONG_PROOF
    assert case.asked == []


def test_a_service_proves_the_secret_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "svc_auth").write_text("s\n")
    case = Case(tmp_path)
    for realm in ("realm1", "ironflock.system"):
        identity = case.check(Door.SERVICES, realm, "svc_auth", signed("s"))
        assert (identity.role, identity.authextra) == ("svc_auth", {"cell": "first"})
    assert case.check(Door.SERVICES, "elsewhere", "svc_auth", signed("s")) is WRONG_PROOF
    assert case.check(Door.SERVICES, "realm1", "svc_auth", signed("")) is WRONG_PROOF
    assert case.check(Door.SERVICES, "realm1", "svc_realms", signed("")) is WRONG_PROOF
    assert case.check(Door.SERVICES, "realm1", "../x", signed("")) is WRONG_PROOF


def test_while_a_secret_is_followed_a_service_proves_either_and_afterwards_the_new_one_alone(tmp_path: Path) -> None:
    case, file = Case(tmp_path), tmp_path / "svc_devices"
    let_in = {}
    for text in ("old\n", "new\nold\n", "new"):
        file.write_text(text)
        let_in[text] = {
            secret
            for secret in ("old", "new", "new\nold", "")
            for authid in ("svc_devices", "terminal-5")
            if isinstance(case.check(Door.SERVICES, "realm1", authid, signed(secret)), Identity)
        }

    assert let_in == {"old\n": {"old"}, "new\nold\n": {"new", "old"}, "new": {"new"}}


def test_fleetdb_alone_of_all_services_is_let_into_data_realms(tmp_path: Path) -> None:
    for name in ("auth", "fleetdb"):
        (tmp_path / f"svc_{name}").write_text("s\n")
    case = Case(tmp_path)
    assert case.check(Door.SERVICES, APP_REALM, "svc_fleetdb", signed("s")).role == "svc_fleetdb"
    assert case.check(Door.SERVICES, APP_REALM, "svc_fleetdb", signed("other")) is WRONG_PROOF
    assert case.check(Door.SERVICES, APP_REALM, "svc_auth", signed("s")) is WRONG_PROOF
    assert case.check(Door.SERVICES, "realm-1-2-PROD", "svc_fleetdb", signed("s")) is WRONG_PROOF


def test_an_app_is_its_device_and_what_auth_says_of_its_credential(tmp_path: Path) -> None:
    case = Case(tmp_path, APP)
    identity = case.check(Door.APPS, APP_REALM, APP_AUTHID, signed("s"))
    assert (identity.realm, identity.authid, identity.role) == (APP_REALM, "S7", "app")
    assert (identity.serial, identity.device_key) == ("S7", 7)
    assert (identity.app.app_key, identity.app.stage, identity.app.epoch) == (2, "prod", 3)
    assert identity.authextra == {"device_key": 7, "project_key": 1, "app_key": 2, "stage": "prod"}
    assert case.asked == [("ironflock.auth.app_credential.find", {"realm": APP_REALM, "authid": APP_AUTHID})]


def test_an_app_of_another_cell_reads_that_its_realm_is_not_there_yet_if_it_proves_its_secret(tmp_path: Path) -> None:
    case = Case(tmp_path, APP | {"cell": "south"})

    refusal = case.check(Door.APPS, APP_REALM, APP_AUTHID, signed("s"))

    assert (refusal.reason, refusal.message) == (NO_SUCH_REALM.reason, NO_SUCH_REALM.message)
    assert (refusal.outcome, refusal.cell) == ("other_cell", "south")
    assert case.check(Door.APPS, APP_REALM, APP_AUTHID, signed("other")) is WRONG_PROOF


def test_a_board_of_another_cell_reads_what_a_stranger_reads(tmp_path: Path) -> None:
    refusal = Case(tmp_path, BOARD | {"cell": "south"}).check(Door.APPS, APP_REALM, "5", TICKET_OF_A_BOARD, TICKET)

    assert (refusal.reason, refusal.message, refusal.cell) == (WRONG_PROOF.reason, WRONG_PROOF.message, "south")


def test_a_reader_is_of_an_app_that_is_not_the_realms(tmp_path: Path) -> None:
    reader = Case(tmp_path, APP | {"role": "app_reader"})
    assert reader.check(Door.APPS, "realm-1-9-prod", APP_AUTHID, signed("s")).role == "app_reader"


def test_a_legacy_credential_names_its_device_alone(tmp_path: Path) -> None:
    identity = Case(tmp_path, APP | {"secret": "S7"}).check(Door.APPS, APP_REALM, "S7", signed("S7"))
    assert (identity.authid, identity.app.app_key) == ("S7", None)


@pytest.mark.parametrize(
    ("realm", "change"),
    [
        (APP_REALM, {"project_key": 2}),
        (APP_REALM, {"authid": "S8"}),
        ("realm-1-9-prod", {}),
        ("realm-2-2-prod", {}),
    ],
)
def test_an_answer_about_somebody_else_opens_nothing(tmp_path: Path, realm: str, change: dict[str, Any]) -> None:
    assert Case(tmp_path, APP | change).check(Door.APPS, realm, APP_AUTHID, signed("s")) is WRONG_PROOF


@pytest.mark.parametrize("realm", ["realm1", "ironflock.system", "realm-1-2-PROD", "realm-01-2-prod", "", "realm-1-2"])
def test_apps_join_data_realms_only_and_auth_is_not_asked_for_others(tmp_path: Path, realm: str) -> None:
    case = Case(tmp_path, APP)
    assert case.check(Door.APPS, realm, APP_AUTHID, signed("s")) is WRONG_PROOF
    assert case.asked == []


@pytest.mark.parametrize("authid", ["", "a b", "app-2-prod-e1@S.7", "é", "x" * 129, "app-2-prod-e1@\n"])
def test_auth_is_not_asked_for_what_cannot_be_an_app(tmp_path: Path, authid: str) -> None:
    case = Case(tmp_path, APP)
    assert case.check(Door.APPS, APP_REALM, authid, signed("s")) is WRONG_PROOF
    assert case.asked == []


@pytest.mark.parametrize("reason", ["not_installed", "not_installed_realm_stage"])
def test_an_app_that_is_not_there_yet_reads_so_if_it_proves_its_secret(tmp_path: Path, reason: str) -> None:
    with_secret = Case(tmp_path, {"reason": reason, "secret": "s", "role": None})
    assert with_secret.check(Door.APPS, APP_REALM, APP_AUTHID, signed("s")) is NO_SUCH_REALM
    assert with_secret.check(Door.APPS, APP_REALM, APP_AUTHID, signed("other")) is WRONG_PROOF
    without = Case(tmp_path, {"reason": reason})
    for secret in ("s", ""):
        assert without.check(Door.APPS, APP_REALM, APP_AUTHID, signed(secret)) is WRONG_PROOF


@pytest.mark.parametrize("reason", ["unknown_device", "stale_epoch", "no_app_cred_key", "no_grant", "legacy_denied"])
def test_any_other_reason_reads_like_a_wrong_secret(tmp_path: Path, reason: str) -> None:
    for answer in ({"reason": reason}, {"reason": reason, "secret": "s"}):
        assert Case(tmp_path, answer).check(Door.APPS, APP_REALM, APP_AUTHID, signed("s")) is WRONG_PROOF


@pytest.mark.parametrize("change", [{"role": "board_writer"}, {"secret": ""}, {"authid": "a.b"}, {"device_key": "x"}])
def test_an_answer_about_an_app_that_makes_no_sense_settles_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    failure = Case(tmp_path, APP | change).check(Door.APPS, APP_REALM, APP_AUTHID, signed("s"))
    assert failure.check(CredentialsAwayError)


def test_challenges_differ_and_hold_what_the_client_said_within_bounds() -> None:
    first, second = challenge_text("1-7", 1), challenge_text("1-7", 1)
    assert first != second
    assert json.loads(first)["authid"] == "1-7"
    assert len(challenge_text("x" * 10**6, 1)) < 1000


TICKET_OF_A_BOARD = mint(bytes(range(32)))
BOARD = {"account_key": 5, "role": "board_writer", "board_key": 9, "credentials": ["bse_1", "key"], "ends_at": 12.5}


def test_a_board_is_the_person_of_its_ticket_whatever_it_calls_itself(tmp_path: Path) -> None:
    case = Case(tmp_path, BOARD)
    identity = case.check(Door.APPS, APP_REALM, APP_AUTHID, TICKET_OF_A_BOARD, TICKET)
    assert (identity.realm, identity.authid, identity.role) == (APP_REALM, "5", "board_writer")
    assert (identity.serial, identity.device_key, identity.app) == (None, None, None)
    assert (identity.credentials, identity.ends_at) == (("bse_1", "key"), 12.5)
    assert identity.authextra == {"account_key": 5, "board_key": 9}
    asked = {"realm": APP_REALM, "ticket": TICKET_OF_A_BOARD}
    assert case.asked == [("ironflock.auth.board_ticket.take", asked)]


def test_a_ticket_that_opens_nothing_is_a_wrong_proof(tmp_path: Path) -> None:
    assert Case(tmp_path, None).check(Door.APPS, APP_REALM, "", TICKET_OF_A_BOARD, TICKET) is WRONG_PROOF


@pytest.mark.parametrize(
    "ticket",
    ["", "ifb_", TICKET_OF_A_BOARD + "x", TICKET_OF_A_BOARD[:-1] + "é", "ifk_" + TICKET_OF_A_BOARD[4:], "\ud800"],
)
def test_auth_is_not_asked_for_what_cannot_be_a_board_s_ticket(tmp_path: Path, ticket: str) -> None:
    case = Case(tmp_path, BOARD)
    assert case.check(Door.APPS, APP_REALM, "", ticket, TICKET) is WRONG_PROOF
    assert case.asked == []


@pytest.mark.parametrize("realm", ["realm1", "ironflock.system", "realm-1-2-PROD"])
def test_a_board_joins_data_realms_only(tmp_path: Path, realm: str) -> None:
    case = Case(tmp_path, BOARD)
    assert case.check(Door.APPS, realm, "", TICKET_OF_A_BOARD, TICKET) is WRONG_PROOF
    assert case.asked == []


def test_a_ticket_is_no_secret_to_sign_with(tmp_path: Path) -> None:
    assert Case(tmp_path, APP).check(Door.APPS, APP_REALM, APP_AUTHID, TICKET_OF_A_BOARD, CRA) is WRONG_PROOF
    assert (
        Case(tmp_path, BOARD)
        .check(Door.APPS, APP_REALM, "5", signed(TICKET_OF_A_BOARD), CRA)
        .check(CredentialsAwayError)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"role": "app"},
        {"role": "svc_fleetdb"},
        {"account_key": 0},
        {"account_key": "5"},
        {"credentials": []},
        {"ends_at": "x"},
    ],
)
def test_an_answer_about_a_board_that_makes_no_sense_settles_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    failure = Case(tmp_path, BOARD | change).check(Door.APPS, APP_REALM, "", TICKET_OF_A_BOARD, TICKET)
    assert failure.check(CredentialsAwayError)


def test_a_persons_terminal_is_joined_for_by_the_secret_of_devices_alone(tmp_path: Path) -> None:
    (tmp_path / "svc_devices").write_text("d", encoding="utf-8")
    (tmp_path / "svc_auth").write_text("a", encoding="utf-8")
    case = Case(tmp_path)

    identity = case.check(Door.SERVICES, "realm1", "terminal-5", signed("d"))

    assert isinstance(identity, Identity)
    assert (identity.role, identity.authid, identity.realm) == ("terminal", "5", "realm1")
    assert case.check(Door.SERVICES, "realm1", "terminal-5", signed("a")) is WRONG_PROOF
    assert case.check(Door.SERVICES, "ironflock.system", "terminal-5", signed("d")) is WRONG_PROOF
    for authid in ("terminal-", "terminal-x", "terminal-05", "terminal-5 ", "terminal--5", "terminal-system"):
        assert case.check(Door.SERVICES, "realm1", authid, signed("d")) is WRONG_PROOF
    for door in (Door.DEVICES, Door.PEOPLE, Door.APPS):
        assert not isinstance(case.check(door, "realm1", "terminal-5", signed("d")), Identity)
