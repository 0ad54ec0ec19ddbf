"""Audit's settings."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from services.audit.settings import ORIGIN, Forwarder, parse_keys, read
from shared.settings import Settings, SettingsError
from shared.tlog.cosignature import Cosigner
from tests.unit.shared.environments import environment as smallest

SEEDS = {name: base64.b64encode(name.encode() * 32).decode() for name in ("a", "b", "c")}
WITNESS = Cosigner.from_seed("witness.example", b"w" * 32).verifier_key


def environment(folder: Path, **changes: str) -> dict[str, str]:
    return {**smallest("audit", folder), **{f"IRONFLOCK_AUDIT_{name}": text for name, text in changes.items()}}


def settings_file(folder: Path, content: Any) -> str:
    path = folder / "list.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_what_is_told_is_read(tmp_path: Path) -> None:
    found = read(Settings("AUDIT", environment(tmp_path)))

    assert (found.port, found.bind, found.origin, found.batch) == (8452, "127.0.0.1", ORIGIN, 1024)
    assert (found.database.login, found.witnesses, found.forwarders) == ("svc_audit", (), ())
    assert "s3cret" not in repr(found)
    assert "signers" not in repr(found)


def test_witnesses_and_forwarders_are_read_from_files(tmp_path: Path) -> None:
    syslog = {"name": "soc", "kind": "syslog", "host": "logs.example"}
    webhook = {"name": "hook", "kind": "webhook", "url": "https://hook.example/x", "secret": "shared"}
    (tmp_path / "witnesses.json").write_text(json.dumps([{"url": "https://w.example", "vkey": WITNESS.text}]))
    told = environment(
        tmp_path,
        WITNESSES_FILE=str(tmp_path / "witnesses.json"),
        FORWARDERS_FILE=settings_file(tmp_path, [syslog, webhook]),
    )

    found = read(Settings("AUDIT", told))

    assert [(each.url, each.key, each.ca) for each in found.witnesses] == [("https://w.example", WITNESS, None)]
    assert found.forwarders[0] == Forwarder("soc", "syslog", host="logs.example", port=6514)
    assert found.forwarders[1].url == "https://hook.example/x"
    assert "shared" not in repr(found.forwarders[1])


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "x", "kind": "syslog"},
        {"name": "x", "kind": "webhook", "url": "http://x", "secret": "s"},
        {"name": "x", "kind": "webhook", "url": "https://x"},
        {"name": "x", "kind": "pigeon", "host": "x"},
        {"name": "", "kind": "syslog", "host": "x"},
        {"name": "x", "kind": "syslog", "host": "x", "hsot": "y"},
        {"name": "x", "kind": "syslog", "host": 7},
        {"kind": "syslog", "host": "x"},
        7,
    ],
)
def test_given_an_unfit_forwarder_when_it_is_read_then_it_is_refused(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_AUDIT_FORWARDERS_FILE"):
        read(Settings("AUDIT", environment(tmp_path, FORWARDERS_FILE=settings_file(tmp_path, [entry]))))


def test_given_two_forwarders_of_one_name_when_they_are_read_then_they_are_refused(tmp_path: Path) -> None:
    twice = [{"name": "x", "kind": "syslog", "host": "x"}] * 2
    with pytest.raises(SettingsError, match="alike"):
        read(Settings("AUDIT", environment(tmp_path, FORWARDERS_FILE=settings_file(tmp_path, twice))))


@pytest.mark.parametrize("entry", [{"url": "http://w", "vkey": WITNESS.text}, {"url": "https://w", "vkey": "x"}, {}])
def test_given_an_unfit_witness_when_it_is_read_then_it_is_refused(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_AUDIT_WITNESSES_FILE"):
        read(Settings("AUDIT", environment(tmp_path, WITNESSES_FILE=settings_file(tmp_path, [entry]))))


@pytest.mark.parametrize(
    ("name", "text"), [("ORIGIN", "a b"), ("ORIGIN", "a+b"), ("BATCH", "0"), ("BATCH", "4097"), ("MORE", "1")]
)
def test_given_a_wrong_setting_when_it_is_read_then_it_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"IRONFLOCK_AUDIT_{name}"):
        read(Settings("AUDIT", environment(tmp_path, **{name: text})))


def test_two_keys_sign_in_an_overlap_and_all_verify() -> None:
    keys = parse_keys(ORIGIN, json.dumps({"active": ["b", "c"], "keys": SEEDS}))

    assert [signer.verifier_key for signer in keys.signers] == list(keys.verifiers[:2])
    assert len({key.text for key in keys.verifiers}) == 3


@pytest.mark.parametrize(
    "content",
    [
        {"active": [], "keys": SEEDS},
        {"active": ["a", "b", "c"], "keys": SEEDS},
        {"active": ["z"], "keys": SEEDS},
        {"active": ["a", "z"], "keys": SEEDS},
        {"active": ["a"], "keys": {"a": "c2hvcnQ="}},
        {"active": ["a"], "keys": {"a": "?"}},
        {"active": ["a"]},
        [],
    ],
)
def test_given_unfit_keys_when_they_are_read_then_they_are_refused_and_not_told(content: Any) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_keys(ORIGIN, json.dumps(content))

    assert not any(seed in str(refused.value) for seed in SEEDS.values())
