"""`flockctl audit verify` and the stand-alone verifier as an operator runs them: same options, same verdicts."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy.verifier import ironflock_audit_verify as alone

from deploy.flockctl.__main__ import run
from tests.unit.tlog.log_folder import LOG_KEY, OLD_LOG_KEY, ORIGIN, WITNESS_KEY, LogFolder, as_lines, head
from tests.unit.verifier.served_folder import Certificate, made_certificate, served

Run = Callable[..., tuple[int, dict[str, Any]]]
FLOCKCTL: tuple[Callable[[list[str]], int], list[str]] = (run, ["audit", "verify", "--json"])
ALONE: tuple[Callable[[list[str]], int], list[str]] = (alone.main, ["--json"])


@pytest.fixture(params=[FLOCKCTL, ALONE], ids=["flockctl", "alone"])
def verify(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Run:
    entry, first = request.param

    def verifying(*words: object, key: str | None = LOG_KEY.vkey) -> tuple[int, dict[str, Any]]:
        named = ["--key", key] if key else []
        status = entry([*first, *named, *(str(word) for word in words)])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else {"error": err}

    return verifying


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def log(tmp_path: Path) -> LogFolder:
    return LogFolder(tmp_path / "log").add(600).write()


@pytest.fixture
def url(log: LogFolder, certificate: Certificate) -> Iterator[str]:
    with served(log.folder, certificate) as found:
        yield found


def export(folder: Path, log: LogFolder) -> Path:
    file = folder / "export.jsonl"
    file.write_bytes(b"".join(as_lines(log.export())))
    return file


def codes(found: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in found["findings"]]


def test_a_log_over_https_is_well(verify: Run, url: str, certificate: Certificate) -> None:
    status, found = verify("--url", url, "--ca", certificate.ca)

    assert status == 0
    assert (found["well"], found["origin"], found["size"], found["entries"]) == (True, ORIGIN, 600, 600)


def test_a_range_over_https_is_well(verify: Run, url: str, certificate: Certificate) -> None:
    status, found = verify("--url", url + "/", "--ca", certificate.ca, "--range", "599-599")

    assert (status, found["entries"]) == (0, 1)


def test_a_tampered_log_over_https_is_not(verify: Run, url: str, log: LogFolder, certificate: Certificate) -> None:
    log.remove("tile/entries/001")

    status, found = verify("--url", url, "--ca", certificate.ca)

    assert (status, found["well"], codes(found)) == (1, False, ["missing_entry"])
    assert found["findings"][0]["index"] == 256


def test_an_answer_that_is_too_long_is_malformed(
    verify: Run, url: str, log: LogFolder, certificate: Certificate
) -> None:
    log.put("tile/entries/001", b"x" * 2_000_000)

    assert codes(verify("--url", url, "--ca", certificate.ca)[1]) == ["malformed"]


def test_the_last_head_is_kept_and_an_older_log_is_found(
    verify: Run, url: str, log: LogFolder, certificate: Certificate, tmp_path: Path
) -> None:
    kept = tmp_path / "head"
    words = ("--url", url, "--ca", certificate.ca, "--last-head", kept)

    assert verify(*words)[0] == 0
    assert kept.read_text() == log.head()
    log.add(10).write()
    status, found = verify(*words, "--range", "0-3")
    assert (status, found["continues_last_head"]) == (0, True)
    assert kept.read_text() == log.head()

    newest = kept.read_text()
    del log.entries[605:]
    log.write()
    status, found = verify(*words)
    assert (status, codes(found)) == (1, ["older_than_last_head"])
    assert kept.read_text() == newest


def test_a_forked_log_does_not_replace_the_last_head(
    verify: Run, url: str, log: LogFolder, certificate: Certificate, tmp_path: Path
) -> None:
    kept = tmp_path / "head"
    kept.write_text(LogFolder(tmp_path).add(300, flavour="other").head())
    before = kept.read_text()

    status, found = verify("--url", url, "--ca", certificate.ca, "--last-head", kept)

    assert (status, codes(found)) == (1, ["forked"])
    assert kept.read_text() == before


def test_what_is_no_kept_head_is_never_taken_for_none(verify: Run, tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(3)
    kept = tmp_path / "head"
    kept.write_text("")

    status, _ = verify("--export", export(tmp_path, log), "--last-head", kept)

    assert status in {1, 2}
    assert kept.read_text() == ""


def test_an_export_is_verified_offline(verify: Run, tmp_path: Path) -> None:
    small = LogFolder(tmp_path).add(9)
    kept = tmp_path / "head"
    file = export(tmp_path, small)

    assert verify("--export", file, "--last-head", kept)[0] == 0
    assert verify("--export", file, "--last-head", kept)[0] == 0
    assert kept.read_text() == small.head()
    file.write_bytes(file.read_bytes().replace(b"plain 3", b"plane 3"))
    status, found = verify("--export", file)
    assert (status, codes(found)) == (1, ["wrong_commitment"])


def test_an_export_with_a_larger_head_does_not_replace_the_kept_one(verify: Run, tmp_path: Path) -> None:
    kept = tmp_path / "head"
    small = LogFolder(tmp_path).add(4)
    kept.write_text(small.head())
    before = kept.read_text()

    status, found = verify("--export", export(tmp_path, small.add(3)), "--last-head", kept)

    assert (status, found["continues_last_head"]) == (0, False)
    assert kept.read_text() == before


def test_witnesses_can_be_demanded(verify: Run, url: str, log: LogFolder, certificate: Certificate) -> None:
    words = ("--url", url, "--ca", certificate.ca, "--key", WITNESS_KEY.vkey, "--witnesses", "1")

    assert codes(verify(*words)[1]) == ["unsigned_head"]
    log.write(LOG_KEY, WITNESS_KEY)
    status, found = verify(*words)
    assert (status, len(found["witnesses"])) == (0, 1)


def test_keys_come_from_a_file(verify: Run, tmp_path: Path) -> None:
    small = LogFolder(tmp_path).add(3)
    keys = tmp_path / "keys"
    keys.write_text(f"# the log\n{LOG_KEY.vkey}\n\n{WITNESS_KEY.vkey}\n")

    assert verify("--export", export(tmp_path, small), "--key-file", keys, key=None)[0] == 0
    assert verify("--export", export(tmp_path, small), key=OLD_LOG_KEY.vkey)[0] == 1


def test_a_server_of_another_authority_is_not_read(verify: Run, url: str, tmp_path: Path) -> None:
    other = made_certificate(tmp_path / "other")

    status, _ = verify("--url", url, "--ca", other.ca)

    assert status == 3


def test_a_server_that_is_away_is_not_a_bad_log(verify: Run, certificate: Certificate, tmp_path: Path) -> None:
    with served(tmp_path, certificate) as gone:
        pass

    assert verify("--url", gone, "--ca", certificate.ca)[0] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--export", "x", "--range", "0-1"],
        ["--url", "http://localhost/audit"],
        ["--url", "https:///audit"],
        ["--url", "https://localhost/audit?x"],
        ["--url", "https://a@localhost/audit"],
        ["--url", "https://localhost/audit", "--key", "nonsense"],
        ["--url", "https://localhost/audit", "--witnesses", "-1"],
    ],
)
def test_wrong_usage_is_status_2(verify: Run, words: list[str]) -> None:
    assert verify(*words)[0] == 2


@pytest.mark.parametrize("bounds", ["x", "5", "5-", "-5", "7-5", "0-99999999999999999999", "0-1-2"])
@pytest.mark.parametrize("entry", [FLOCKCTL, ALONE], ids=["flockctl", "alone"])
def test_a_range_is_two_numbers(entry: tuple[Callable[[list[str]], int], list[str]], bounds: str) -> None:
    command, first = entry
    try:
        status = command([*first, "--url", "https://localhost", "--key", LOG_KEY.vkey, f"--range={bounds}"])
    except SystemExit as end:
        status = int(str(end.code))

    assert status == 2


def test_a_witness_s_key_alone_is_no_key_of_a_log(verify: Run, tmp_path: Path) -> None:
    assert verify("--export", tmp_path / "x", key=WITNESS_KEY.vkey)[0] == 2


def test_an_export_that_is_not_there_cannot_be_read(verify: Run, tmp_path: Path) -> None:
    assert verify("--export", tmp_path / "x")[0] in {1, 3}


def test_flockctl_finds_log_and_keys_in_the_endpoints_file(
    url: str, log: LogFolder, certificate: Certificate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "keys").write_text(LOG_KEY.vkey + "\n")
    content = {"ca_file": str(certificate.ca), "router": {"people": "wss://localhost:1/ws-usr"}, "health": {}}
    (state / "endpoints.json").write_text(json.dumps(content))
    assert run(["audit", "verify", "--state", str(state)]) == 2
    assert "--key" in capsys.readouterr().err

    content |= {"audit": url, "audit_key_file": str(tmp_path / "keys")}
    (state / "endpoints.json").write_text(json.dumps(content))

    assert run(["audit", "verify", "--state", str(state)]) == 0
    out, err = capsys.readouterr()
    assert "All is well." in out
    assert "--last-head" in err
    log.remove("checkpoint")
    assert run(["audit", "verify", "--state", str(state)]) == 1
    assert "NOT well" in capsys.readouterr().out


def test_people_read_what_is_wrong_without_anything_that_steers_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = LogFolder(tmp_path / "log").add(3).write()
    log.write_head(head(3, log.root(), LOG_KEY))
    log.alter("tile/entries/000.p/3", lambda octets: octets[:34] + b"\x00\x20" + b"x" * 32 + octets[68:])

    assert alone.main(["--folder", str(log.folder), "--key", LOG_KEY.vkey]) == 1

    out, _ = capsys.readouterr()
    assert "WRONG (wrong_commitment): entry 1 is not what the tree commits to" in out
    assert out.isascii()


def test_the_stand_alone_verifier_runs_where_nothing_of_ours_is(tmp_path: Path) -> None:
    script = tmp_path / "verify.py"
    shutil.copy(alone.__file__, script)
    log = LogFolder(tmp_path / "log").add(300).write()

    done = subprocess.run(
        [sys.executable, "-I", script, "--folder", log.folder, "--key", LOG_KEY.vkey],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "all is well" in done.stdout


def test_the_stand_alone_verifier_imports_the_standard_library_and_cryptography_alone() -> None:
    tree = ast.parse(Path(alone.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "cryptography"}
