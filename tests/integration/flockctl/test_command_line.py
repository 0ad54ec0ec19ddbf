"""`flockctl` as a program against a router that plays the platform: results, refusals, exit statuses, secrets."""

import json
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.flockctl.command_line import API_KEY, CommandLine, heard
from tests.integration.flockctl.fake_fleet import DEVICE, PROJECT, flashed
from tests.integration.flockctl.fake_router import FakeRouter, Progressive, RefusedError
from tests.integration.flockctl.reactor_thread import reactor, wait
from tests.integration.flockctl.test_agent import SECRET


def test_whoami_joins_with_the_owners_key_as_a_ticket(router: FakeRouter, flockctl: CommandLine) -> None:
    me = {
        "account_key": 1,
        "login_name": "owner@localhost",
        "credential": {"id": "x", "name": "first", "ends_at": None},
    }
    router.script.procedures["ironflock.auth.account.me"] = lambda: me

    ended = flockctl("whoami", "--json")

    assert (ended.status, ended.json) == (0, me)
    [session] = router.script.sessions
    assert session.received[0][2]["authmethods"] == ["ticket"]
    assert session.received[1][1] == API_KEY


SETUP = "https://accounts.example.com/setup?code=" + "x" * 260


def test_the_first_owner_gets_the_whole_link_alone_on_standard_output(
    router: FakeRouter, flockctl: CommandLine
) -> None:
    answer = {"url": SETUP, "ends_in_s": 1800}
    router.script.procedures["ironflock.auth.account.setup_link"] = lambda: answer

    for_people, for_programs = flockctl("account", "setup"), flockctl("account", "setup", "--json")

    assert (for_people.status, for_people.out) == (0, SETUP + "\n")
    assert "30 minutes" in for_people.err
    assert (for_programs.json, for_programs.err) == (answer, "")


def test_an_account_that_is_set_up_is_told_so(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.refuses["ironflock.auth.account.setup_link"] = RefusedError(
        "ironflock.error.conflict", "it is set up"
    )

    ended = flockctl("account", "setup", "--json")

    assert (ended.status, ended.error["code"]) == (1, "conflict")


def test_what_is_no_link_is_not_shown(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.auth.account.setup_link"] = lambda: {"url": "\x1b]0;x", "ends_in_s": 1}

    ended = flockctl("account", "setup", "--json")

    assert (ended.status, ended.error["code"], ended.out) == (1, "unexpected_answer", "")


def test_messages_are_shown_without_a_session(router: FakeRouter, flockctl: CommandLine, tmp_path: Path) -> None:
    file = flockctl.state / "endpoints.json"
    assert flockctl("mail", "list", "--json").error["code"] == "no_mail_folder"
    file.write_text(json.dumps({**json.loads(file.read_text()), "mail_folder": str(tmp_path)}))
    for at in (1, 2):
        (tmp_path / f"{at}-id{at}.eml").write_text(f"To: a@example.com\nSubject: number {at}\n\n{SETUP}\n")

    listed, shown, first = flockctl("mail", "list", "--json"), flockctl("mail", "show"), flockctl("mail", "show", "id1")

    assert [each["message"] for each in listed.json["messages"]] == ["id2", "id1"]
    assert "number 2" in shown.out
    assert SETUP in shown.out.splitlines()
    assert "number 1" in first.out
    assert flockctl("mail", "show", "id3", "--json").error["code"] == "no_such_message"
    assert router.script.sessions == []


def test_a_refused_key_is_said_and_not_retried(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.tickets = {}

    ended = flockctl("whoami", "--json")

    assert (ended.status, ended.out, ended.error["code"]) == (1, "", "not_authenticated")
    assert str(flockctl.state / "owner-api-key") in ended.error["message"]
    assert API_KEY not in ended.err
    assert len(router.script.sessions) == 1


def test_what_the_router_says_of_its_state_reaches_the_person(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.abort_hello = ("ironflock.error.unavailable", "the database is away")

    ended = flockctl("whoami", "--wait", "0", "--json")

    assert (ended.status, ended.error["code"]) == (3, "unavailable")
    assert "the database is away" in ended.error["message"]


def test_a_project_is_created_with_the_name_that_was_given(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.realms.project.create"] = lambda **_: PROJECT

    ended = flockctl("project", "create", " plant ", "--description", "north")

    assert ended.status == 0
    assert "plant" in ended.out
    assert heard(router, "ironflock.realms.project.create") == [{"name": "plant", "description": "north"}]


def test_all_pages_of_a_list_are_asked_for(router: FakeRouter, flockctl: CommandLine) -> None:
    pages = {None: ([DEVICE], "k1"), "k1": ([{**DEVICE, "device_key": 8}], None)}

    def answer(**arguments: Any) -> dict[str, Any]:
        devices, following = pages[arguments.get("cursor")]
        return {"devices": devices, "next": following}

    router.script.procedures["ironflock.devices.device.list"] = answer

    ended = flockctl("device", "list", "--project", "3", "--json")

    assert [device["device_key"] for device in ended.json["devices"]] == [7, 8]
    assert heard(router, "ironflock.devices.device.list")[0]["project"] == 3


def test_names_of_others_do_not_steer_the_terminal(router: FakeRouter, flockctl: CommandLine) -> None:
    nasty = {**DEVICE, "name": "a\x1b]0;owned\x07\u202eb[red]c[/red]"}
    router.script.procedures["ironflock.devices.device.list"] = lambda **_: {"devices": [nasty], "next": None}

    for arguments in (["device", "list"], ["device", "list", "--json"]):
        ended = flockctl(*arguments)
        assert not {"\x1b", "\x07", "\u202e"} & set(ended.out)
        assert "[red]c[/red]" in ended.out


@pytest.mark.parametrize(
    "word",
    ["a\x1bb", "x" * 100_001, "9" * 5000],
)
def test_malformed_names_are_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, word: str
) -> None:
    ended = flockctl("device", "show", word, "--json")

    assert (ended.status, ended.error["code"]) == (1, "invalid_argument")
    assert router.script.sessions == []
    assert len(ended.err) < 500


def test_a_refusal_has_the_platforms_code_and_details(router: FakeRouter, flockctl: CommandLine) -> None:
    refusal = RefusedError("ironflock.error.already_exists", "there is one", name="press-1")
    router.script.refuses["ironflock.devices.device.create"] = refusal

    ended = flockctl("device", "create", "press-1", "--project", "plant", "--json")

    assert ended.status == 1
    assert ended.error == {"code": "already_exists", "message": "there is one", "name": "press-1"}


def test_while_a_service_is_away_the_call_is_made_again(router: FakeRouter, flockctl: CommandLine) -> None:
    tries: list[int] = []

    def answer(**_: Any) -> dict[str, Any]:
        tries.append(1)
        if len(tries) < 3:
            raise RefusedError("ironflock.error.unavailable", "starting")
        return PROJECT

    router.script.procedures["ironflock.realms.project.create"] = answer

    ended = flockctl("project", "create", "plant")

    assert ended.status == 0
    assert ended.err.count("trying again") == 1


def test_a_service_that_stays_away_is_status_3(router: FakeRouter, flockctl: CommandLine) -> None:
    ended = flockctl("project", "list", "--wait", "1", "--json")

    assert (ended.status, ended.error["code"]) == (3, "unavailable")
    assert len(router.script.sessions) == 1


def test_a_router_that_is_away_is_status_3(router: FakeRouter, flockctl: CommandLine) -> None:
    wait(router.close())

    ended = flockctl("project", "list", "--wait", "1")

    assert ended.status == 3
    assert "cannot be reached" in ended.err


@pytest.mark.parametrize("refuses", [False, True])
def test_while_the_first_cell_s_router_is_away_another_one_is_spoken_with(
    router: FakeRouter, flockctl: CommandLine, certificates: Certificates, *, refuses: bool
) -> None:
    me = {"account_key": 1, "login_name": "anna", "credential": {"id": "x", "name": "first", "ends_at": None}}
    first = FakeRouter(reactor, certificates.certificate, certificates.key)
    first.script.abort_hello = ("ironflock.error.unavailable", "starting")

    async def listen() -> None:
        first.listen()

    wait(listen())
    if not refuses:
        wait(first.close())
    file = flockctl.state / "endpoints.json"
    content = json.loads(file.read_text())
    content["more_routers"] = {"south": content["router"], "west": {"people": "wss://localhost:1/ws-usr"}}
    file.write_text(json.dumps({**content, "router": {"people": f"wss://localhost:{first.port}/ws-usr"}}))
    router.script.procedures["ironflock.auth.account.me"] = lambda: me

    ended = flockctl("whoami", "--json", "--wait", "1")
    wait(first.close())

    assert ended.status == 0, ended.err
    assert ended.json == me
    assert len(router.script.sessions) == 1


def test_a_router_whose_name_nobody_knows_is_away(flockctl: CommandLine) -> None:
    endpoints = flockctl.state / "endpoints.json"
    endpoints.write_text(endpoints.read_text().replace("localhost", "nowhere.invalid"))

    ended = flockctl("project", "list", "--wait", "1")

    assert ended.status == 3
    assert "cannot be reached" in ended.err


CHANGES = {
    "ironflock.realms.project.create": ["project", "create", "plant"],
    "ironflock.devices.device.create": ["device", "create", "press-1", "--project", "plant"],
    "ironflock.devices.device.flash": ["device", "flash", "press-1", "--out", "-"],
    "ironflock.devices.device.rename": ["device", "rename", "press-1", "press-left"],
    "ironflock.devices.device.delete": ["device", "delete", "press-1", "--yes"],
}


@pytest.mark.parametrize("uri", CHANGES)
def test_a_change_without_an_answer_is_not_sent_again(router: FakeRouter, flockctl: CommandLine, uri: str) -> None:
    def break_off(**_: Any) -> None:
        router.script.session.reset()

    router.script.procedures[uri] = break_off

    ended = flockctl(*CHANGES[uri], "--json")

    assert (ended.status, ended.error["code"]) == (3, "outcome_unknown")
    assert len(heard(router, uri)) == 1


@pytest.mark.parametrize("uri", CHANGES)
def test_a_change_whose_outcome_the_platform_does_not_know_is_not_sent_again(
    router: FakeRouter, flockctl: CommandLine, uri: str
) -> None:
    router.script.refuses[uri] = RefusedError("ironflock.error.outcome_unknown", "lost while it committed")

    ended = flockctl(*CHANGES[uri], "--json")

    assert (ended.status, ended.error["code"]) == (3, "outcome_unknown")
    assert ended.error["message"].startswith("lost while it committed")
    assert ("flash it again" in ended.error["message"]) == uri.endswith("flash")
    assert len(heard(router, uri)) == 1


def test_a_reading_without_an_answer_is_sent_again(router: FakeRouter, flockctl: CommandLine) -> None:
    tries: list[int] = []

    def answer(**_: Any) -> dict[str, Any]:
        tries.append(1)
        if len(tries) == 1:
            raise RefusedError("ironflock.error.outcome_unknown", "lost")
        return PROJECT

    router.script.procedures["ironflock.realms.project.show"] = answer

    shown = flockctl("project", "show", "plant")
    assert shown.status == 0
    assert "required" in shown.out
    assert len(tries) == 2


def test_a_wrong_authority_is_not_trusted(flockctl: CommandLine, tmp_path: Path) -> None:
    file = flockctl.state / "endpoints.json"
    other = make_certificates(tmp_path)
    file.write_text(json.dumps({**json.loads(file.read_text()), "ca_file": str(other.ca)}))

    ended = flockctl("whoami", "--wait", "0", "--json")

    assert ended.status == 3
    assert "certificate" in ended.error["message"]


def test_a_client_that_is_shut_out_is_not_sent_to_look_for_certificates(flockctl: CommandLine) -> None:
    file = flockctl.state / "endpoints.json"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"wss://127.0.0.1:{listener.getsockname()[1]}/ws-usr"
        file.write_text(json.dumps({**json.loads(file.read_text()), "router": {"people": url}}))
        with flockctl.start("whoami", "--wait", "0", "--json") as process:
            listener.accept()[0].close()
            _, err = process.communicate(timeout=20)

    error = json.loads(err)["error"]
    assert (process.returncode, error["code"]) == (3, "unavailable")
    assert "full" in error["message"]
    assert "certificate" not in error["message"]


def test_a_flock_file_is_for_its_owner_only_and_never_overwritten(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    flock = flashed(router)
    file = tmp_path / "press-1.flock"

    first = flockctl("device", "flash", "press-1", "--out", str(file), "--json")
    second = flockctl("device", "flash", "press-1", "--out", str(file), "--json")
    third = flockctl("device", "flash", "press-1", "--out", str(file), "--force")

    assert first.json == {"device": DEVICE, "file": str(file)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == flock
    assert (second.status, second.error["code"]) == (1, "already_exists")
    assert third.status == 0
    assert len(heard(router, "ironflock.devices.device.flash")) == 2
    assert SECRET not in first.out + first.err + third.out + third.err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["press-1.flock"]


def test_a_secret_for_standard_output_is_one_object_and_with_json_one_line(
    router: FakeRouter, flockctl: CommandLine
) -> None:
    flock = flashed(router)

    for_people = flockctl("device", "flash", "press-1", "--out", "-")
    for_programs = flockctl("--json", "device", "flash", "press-1", "--out", "-")

    assert for_people.json == for_programs.json == flock
    assert for_people.out.count("\n") > for_programs.out.count("\n") == 1


@pytest.mark.parametrize("name", ["no-such-folder/x.flock", "x\x07.flock"])
def test_a_file_that_cannot_be_written_leaves_the_old_secret_alone(
    router: FakeRouter, flockctl: CommandLine, name: str
) -> None:
    flashed(router)

    ended = flockctl("device", "flash", "press-1", "--out", name, "--json")

    assert ended.status == 1
    assert ended.error["code"] in ("cannot_write", "invalid_argument", "already_exists")
    assert heard(router, "ironflock.devices.device.flash") == []


def test_deleting_without_somebody_to_ask_needs_yes(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.devices.device.delete"] = lambda **_: None

    refused = flockctl("device", "delete", "press-1", "--json")
    done = flockctl("device", "delete", "press-1", "--yes", "--json")

    assert (refused.status, refused.error["code"]) == (2, "not_confirmed")
    assert done.json == {"deleted": "press-1"}
    assert len(heard(router, "ironflock.devices.device.delete")) == 1


def test_watch_writes_one_object_a_line_until_it_is_interrupted(router: FakeRouter, flockctl: CommandLine) -> None:
    said = [{"devices": [DEVICE]}, {"device": {**DEVICE, "status": "DISCONNECTED"}}, {"deleted": 7}]
    router.script.procedures["ironflock.devices.device.watch"] = lambda **_: Progressive(said)

    with flockctl.start("device", "watch", "--json") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in said]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert (lines, out, err, process.returncode) == (said, "", "", 0)


def test_watch_begins_anew_when_the_connection_is_lost(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.devices.device.watch"] = lambda **_: Progressive([{"devices": []}])

    with flockctl.start("device", "watch", "--json") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        router._reactor.callFromThread(router.script.session.reset)
        second = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)

    assert first == second == '{"devices":[]}\n'


def test_status_names_the_part_that_does_not_answer(flockctl: CommandLine) -> None:
    ended = flockctl("status", "--json")

    assert ended.status == 1
    assert ended.json["ready"] is False
    assert ended.json["parts"]["router"]["reason"] == "nothing listens on port 1"


def test_status_names_the_authority_that_is_not_there(flockctl: CommandLine) -> None:
    file = flockctl.state / "endpoints.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "ca_file": str(flockctl.state / "nowhere.pem")}))

    ended = flockctl("status", "--json")

    assert (ended.status, ended.error["code"]) == (1, "no_ca")


def test_without_a_platform_it_says_how_to_start_one(tmp_path: Path, flockctl: CommandLine) -> None:
    ended = CommandLine(tmp_path / "nowhere")("status", "--json")

    assert (ended.status, ended.error["code"]) == (3, "no_platform")


@pytest.mark.parametrize("content", [API_KEY[:-1] + "!"])
def test_a_file_without_an_api_key_is_refused_without_repeating_it(flockctl: CommandLine, content: str) -> None:
    (flockctl.state / "owner-api-key").write_text(content)

    ended = flockctl("whoami", "--json")

    assert (ended.status, ended.error["code"]) == (1, "malformed_api_key")
    assert not content or content not in ended.err


def test_completion_is_offered(flockctl: CommandLine) -> None:
    assert "device" in flockctl("--help").out
    assert "--install-completion" in flockctl("--help").out
