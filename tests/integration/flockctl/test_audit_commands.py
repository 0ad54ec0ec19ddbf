"""`flockctl audit` and `flockctl account` against a router that plays the platform."""

import base64
import csv
import json
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.hashing import commitment, leaf_hash, node_hash
from shared.tlog.note import Signer
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter, Progressive, RefusedError

SIGNER = Signer.from_seed("test.example/audit", b"k" * 32)
LIST, EXPORT = "ironflock.audit.entry.list", "ironflock.audit.entry.export"
ENTRY: dict[str, Any] = {
    "leaf_index": 5,
    "v": 1,
    "id": 9,
    "time": "2026-11-25T10:00:00.000000Z",
    "service": "svc_devices",
    "action": "device.renamed",
    "aspect": "name",
    "actor": {"kind": "person", "key": 1, "credential": "abc", "on_behalf_of": None},
    "asset": {"kind": "device", "key": 7},
    "project": 3,
    "before": {"name": "press-1"},
    "after": {"name": "=HYPERLINK(0)"},
    "reason": None,
    "source": {"session": 11, "address": None, "request": None},
    "outcome": "done",
}
COMMITTED = {name: value for name, value in ENTRY.items() if name != "leaf_index"}
LINES: list[dict[str, Any]] = [
    {"type": "head", "checkpoint": "x", "keys": [], "filter": {"project": 3}},
    {"type": "entry", "leaf_index": 5, "salt": "eA==", "entry": COMMITTED, "inclusion_proof": []},
    {
        "type": "redacted",
        "leaf_index": 6,
        "commitment": "eA==",
        "cause": "retention",
        "redacted_at": "2026-11-25T11:00:00Z",
        "inclusion_proof": [],
    },
    {"type": "end", "entries": 2},
]


def exports(router: FakeRouter, lines: list[Any]) -> None:
    """Let the platform send `lines` as an export."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    router.script.procedures[EXPORT] = lambda **_: Progressive(texts, ends=True)


def test_a_list_asks_for_what_was_said(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[LIST] = lambda **_: {"entries": [ENTRY], "next": None, "top": "x"}
    router.script.procedures["ironflock.devices.device.show"] = lambda **_: {"device_key": 7}
    words = ("--project", "plant", "--device", "press-1", "--actor", "5", "--action", "device.renamed")
    times = ("--since", "2026-11-25T10:00:00+01:00", "--until", "2026-11-26T00:00:00Z", "--limit", "7")

    ended = flockctl("audit", "list", *words, *times, "--json")

    assert ended.json == {"entries": [ENTRY], "next": None}
    assert heard(router, LIST) == [
        {
            "project": "plant",
            "device": 7,
            "actor": 5,
            "action": "device.renamed",
            "since": "2026-11-25T09:00:00Z",
            "until": "2026-11-26T00:00:00Z",
            "limit": 7,
        }
    ]
    assert heard(router, "ironflock.devices.device.show") == [{"device": "press-1", "project": "plant"}]


def test_my_own_account_is_called_me(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[LIST] = lambda **_: {"entries": [], "next": "more", "top": "x"}
    router.script.procedures["ironflock.auth.account.me"] = lambda: {"account_key": 4}

    ended = flockctl("audit", "list", "--account", "me")

    assert heard(router, LIST) == [{"account": 4, "limit": 50}]
    assert "there are more" in ended.err


def test_all_pages_are_asked_for(router: FakeRouter, flockctl: CommandLine) -> None:
    def answer(*, limit: int, cursor: str | None = None) -> dict[str, Any]:
        return {"entries": [{**ENTRY, "id": 1 if cursor is None else 2}], "next": "c" if cursor is None else None}

    router.script.procedures[LIST] = answer

    ended = flockctl("audit", "list", "--all", "--json")

    assert [each["id"] for each in ended.json["entries"]] == [1, 2]


def test_people_see_who_changed_what_and_nothing_steers_their_terminal(
    router: FakeRouter, flockctl: CommandLine
) -> None:
    named = {**ENTRY, "after": {"name": "\x1b[31m", "login_name": {"erased": True}}}
    router.script.procedures[LIST] = lambda **_: {"entries": [named], "next": None, "top": "x"}

    ended = flockctl("audit", "list")

    assert "person 1" in ended.out
    assert "device 7" in ended.out
    assert "name: press-1 -> \\x1b[31m, login_name: (erased)" in ended.out
    assert "\x1b[31m" not in ended.out


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--limit", "0"),
        ("list", "--limit", "5", "--all"),
        ("list", "--since", "yesterday"),
        ("list", "--account", "anna"),
        ("list", "--actor", "0"),
        ("show", "0"),
        ("retention", "plant", "--days", "0"),
        ("retention", "plant", "--days", "5", "--forever"),
        ("export",),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, words: tuple[str, ...]
) -> None:
    ended = flockctl("audit", *words, "--json")

    assert ended.status == 2
    assert ended.error["code"] in {"usage", "invalid_argument"}
    assert router.script.sessions == []


def test_a_tail_writes_one_object_a_line_until_it_is_interrupted(router: FakeRouter, flockctl: CommandLine) -> None:
    said = [{"following": {"size": 5}}, {"entry": ENTRY}]
    router.script.procedures["ironflock.audit.entry.tail"] = lambda **_: Progressive(said)

    with flockctl.start("audit", "tail", "--project", "3", "--json") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in said]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert (lines, out, err, process.returncode) == (said, "", "", 0)
    assert heard(router, "ironflock.audit.entry.tail") == [{"project": 3}]


def test_a_tail_for_people_has_a_line_an_entry(router: FakeRouter, flockctl: CommandLine) -> None:
    said = [{"following": {"size": 5}}, {"entry": {**ENTRY, "after": {"name": "\x1b[31m" + "x" * 300}}}]
    router.script.procedures["ironflock.audit.entry.tail"] = lambda **_: Progressive(said)

    with flockctl.start("audit", "tail") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)

    assert "person 1  device.renamed  device 7" in line
    assert "name: press-1 -> \\x1b[31mxxx" in line
    assert line.endswith("done\n")


def test_an_export_is_what_the_platform_sent_and_for_its_owner_alone(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    exports(router, LINES)
    file = tmp_path / "plant.jsonl"

    ended = flockctl("audit", "export", "--project", "plant", "--out", str(file), "--json")

    assert ended.json == {"file": str(file), "proof_file": str(file), "entries": 2}
    assert [json.loads(line) for line in file.read_text().splitlines()] == LINES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert flockctl("audit", "export", "--out", str(file), "--json").error["code"] == "already_exists"


def test_a_table_has_its_proof_beside_it_and_no_formula_in_it(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    opened = {**COMMITTED, "after": {"login_name": "anna@example.com"}, "reason": "=cmd()"}
    exports(router, [LINES[0], {**LINES[1], "opened": opened}, *LINES[2:]])
    file = tmp_path / "plant.csv"

    ended = flockctl("audit", "export", "--format", "csv", "--out", str(file), "--json")

    assert ended.json["proof_file"] == f"{file}.proof.jsonl"
    assert len(Path(f"{file}.proof.jsonl").read_text().splitlines()) == 4
    with file.open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["leaf_index"], first["entry_id"], first["actor_key"]) == ("5", "9", "1")
    assert first["after"] == '{"login_name":"anna@example.com"}'
    assert first["reason"] == "'=cmd()"
    assert (second["leaf_index"], second["entry_id"]) == ("6", "")
    assert second["redacted"] == "retention 2026-11-25T11:00:00Z"


@pytest.mark.parametrize(
    "lines", [[], LINES[:3], [*LINES[:2], LINES[3]], [*LINES[:1], "no json", *LINES[1:]], [*LINES[:1], {}], ["[]"]]
)
def test_half_an_export_leaves_no_file(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path, lines: list[Any]
) -> None:
    exports(router, lines)

    ended = flockctl("audit", "export", "--format", "csv", "--out", str(tmp_path / "plant.csv"), "--json")

    assert ended.error["code"] == "unexpected_answer"
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_a_retention_is_shown_set_and_lifted(router: FakeRouter, flockctl: CommandLine) -> None:
    for verb in ("show", "set"):
        router.script.procedures[f"ironflock.audit.retention.{verb}"] = lambda **said: {
            "project_key": 3,
            "days": said.get("days"),
        }

    assert "for ever" in flockctl("audit", "retention", "plant").out
    assert "730 days" in flockctl("audit", "retention", "plant", "--days", "730").out
    assert flockctl("audit", "retention", "plant", "--forever").status == 0

    assert heard(router, "ironflock.audit.retention.show") == [{"project": "plant"}]
    assert heard(router, "ironflock.audit.retention.set") == [
        {"project": "plant", "days": 730},
        {"project": "plant", "days": None},
    ]


def test_a_head_is_printed_as_it_was_signed(router: FakeRouter, flockctl: CommandLine) -> None:
    note = "ironflock.local/audit\n5\nabc=\n\n— ironflock.local/audit xyz=\n"
    router.script.procedures["ironflock.audit.head.show"] = lambda: {"checkpoint": note, "size": 5}

    assert flockctl("audit", "head").out == note


def proof_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What audit answers of a log of two entries, `entry` the second."""
    leaves = [leaf_hash(b"first"), leaf_hash(commitment(b"s" * 32, rfc8785.dumps(entry)))]
    checkpoint = Checkpoint("test.example/audit", 2, node_hash(*leaves))
    return {
        "leaf_index": 1,
        "salt": base64.b64encode(b"s" * 32).decode(),
        "size": 2,
        "root": base64.b64encode(checkpoint.root).decode(),
        "inclusion_proof": [base64.b64encode(leaves[0]).decode()],
        "entry": entry,
        "checkpoint": checkpoint.signed([SIGNER]).octets.decode(),
        "keys": [SIGNER.verifier_key.text],
    }


def test_an_entry_and_its_proof_are_shown_in_full(router: FakeRouter, flockctl: CommandLine, tmp_path: Path) -> None:
    proof = proof_of(COMMITTED)
    keys = tmp_path / "keys"
    keys.write_text(f"{SIGNER.verifier_key.text}\n")
    router.script.procedures["ironflock.audit.entry.show"] = lambda *, entry_id: {**ENTRY, "id": entry_id}
    router.script.procedures["ironflock.audit.entry.proof"] = lambda *, entry_id: proof

    assert "device.renamed" in flockctl("audit", "show", "9").out
    assert flockctl("audit", "proof", "9", "--key-file", str(keys), "--json").json == {**proof, "is_verified": True}
    shown = flockctl("audit", "proof", "9", "--key-file", str(keys))
    assert "proof 0" in shown.out
    assert "verified: the entry is in the log of 2 entries signed by test.example/audit" in shown.err


def test_a_proof_that_does_not_hold_is_said_to_be_none(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    forged = {**proof_of(COMMITTED), "entry": {**COMMITTED, "reason": "another"}}
    keys = tmp_path / "keys"
    keys.write_text(f"{SIGNER.verifier_key.text}\n")
    router.script.procedures["ironflock.audit.entry.proof"] = lambda *, entry_id: forged

    ended = flockctl("audit", "proof", "9", "--key-file", str(keys))

    assert ended.status == 1
    assert "this proof does not hold" in ended.err
    assert ended.out == ""


def test_an_account_is_erased_once_its_name_is_said(router: FakeRouter, flockctl: CommandLine) -> None:
    receipt = {"account_key": 4, "erased_at": "2026-11-25T10:00:00Z", "entry": "account.erased"}
    router.script.procedures["ironflock.auth.account.erase"] = lambda **_: receipt

    unasked = flockctl("account", "erase", "--json")
    erased = flockctl("account", "erase", "--confirm", "anna@example.com", "--with-projects", "--json")

    assert (unasked.status, unasked.error["code"]) == (2, "not_confirmed")
    assert erased.json == {"receipt": receipt}
    assert heard(router, "ironflock.auth.account.erase") == [{"confirm": "anna@example.com", "with_projects": True}]


def test_a_refused_erasure_says_why(router: FakeRouter, flockctl: CommandLine) -> None:
    refused = RefusedError("ironflock.error.conflict", "this account owns projects", projects=2)
    router.script.refuses["ironflock.auth.account.erase"] = refused

    ended = flockctl("account", "erase", "--confirm", "anna@example.com", "--json")

    assert (ended.status, ended.error["code"], ended.error["projects"]) == (1, "conflict", 2)
