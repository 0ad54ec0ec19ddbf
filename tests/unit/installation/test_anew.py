"""Every secret of an installation is followed by another one: begun, and finished once nobody needs the old one."""

import io
import json
from pathlib import Path

import pytest

from deploy.installation import anew
from deploy.installation.__main__ import main
from deploy.installation.anew import SEALING, SUCCESSIONS, StillNeededError, begin, finish
from deploy.installation.secrets import MAKERS, ensure_secrets
from deploy.local.bootstrap import SUPERUSER
from deploy.local.files import write_atomically
from deploy.local.kinds import Kind
from services.audit.settings import parse_keys
from shared.overlap import values
from shared.secrets import parse_master_keys

VALUES = (Kind.BUS_SECRETS, Kind.DATABASE_PASSWORDS)


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    ensure_secrets(tmp_path / "safe")
    return tmp_path / "safe"


def texts(folder: Path) -> dict[str, str]:
    return {path: (folder / path).read_text() for path in MAKERS}


def said_of(folder: Path, kind: Kind) -> list[str]:
    """What pods say that were started since."""
    return [f"{path} {parse_master_keys((folder / path).read_text()).active}\n" for path in SUCCESSIONS[kind].paths]


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {path for path in before if before[path] != after[path]}


@pytest.mark.parametrize("kind", SUCCESSIONS)
def test_both_stages_change_the_files_of_their_kind_alone_and_repeated_they_change_nothing(
    folder: Path, kind: Kind
) -> None:
    old = texts(folder)

    assert set(begin(folder, kind)) == changed(old, texts(folder)) == set(SUCCESSIONS[kind].paths)
    both = texts(folder)
    assert begin(folder, kind) == []
    assert texts(folder) == both
    said = said_of(folder, kind) if kind in SEALING else []
    assert set(finish(folder, kind, said)) == changed(both, texts(folder)) == set(SUCCESSIONS[kind].paths)
    new = texts(folder)
    assert finish(folder, kind) == []
    assert texts(folder) == new
    assert changed(old, new) == set(SUCCESSIONS[kind].paths)


@pytest.mark.parametrize("kind", VALUES)
def test_of_a_value_the_new_one_comes_first_and_the_old_one_counts_until_the_end(folder: Path, kind: Kind) -> None:
    old = texts(folder)
    begin(folder, kind)
    both = texts(folder)
    finish(folder, kind)

    for path in SUCCESSIONS[kind].paths:
        new = texts(folder)[path]
        assert values(both[path]) == (new, old[path])
        assert len(new) == len(old[path])


@pytest.mark.parametrize("kind", sorted(SEALING))
def test_a_key_that_seals_opens_both_until_somebody_says_that_the_new_one_seals_all(folder: Path, kind: Kind) -> None:
    path, *_ = SUCCESSIONS[kind].paths
    old = parse_master_keys((folder / path).read_text())
    begin(folder, kind)
    both = parse_master_keys((folder / path).read_text())
    assert both.keys.items() > old.keys.items()
    assert both.active not in old.keys

    by_the_old_one = [line.replace(both.active, old.active) for line in said_of(folder, kind)]
    for said in ([], said_of(folder, kind)[1:], by_the_old_one, ["a line of kubectl"]):
        with pytest.raises(StillNeededError, match=f"rotating {kind}"):
            finish(folder, kind, said)
    assert parse_master_keys((folder / path).read_text()) == both

    finish(folder, kind, said_of(folder, kind))
    assert dict(parse_master_keys((folder / path).read_text()).keys) == {both.active: both.keys[both.active]}


def test_the_log_s_heads_are_signed_by_both_then_by_the_new_one_and_the_old_one_verifies_for_ever(folder: Path) -> None:
    def keys() -> tuple[int, int]:
        found = parse_keys("ironflock.local/audit", (folder / "audit-signing-keys").read_text())
        return len(found.signers), len(found.verifiers)

    counted = [keys()]
    begin(folder, Kind.AUDIT_KEY)
    counted.append(keys())
    finish(folder, Kind.AUDIT_KEY)
    counted.append(keys())

    assert counted == [(1, 1), (2, 2), (1, 2)]


@pytest.mark.parametrize("kind", SUCCESSIONS)
@pytest.mark.parametrize("files", [0, 1, 3])
def test_killed_between_two_files_it_is_carried_on_by_the_same_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, files: int
) -> None:
    def killed_after(count: int) -> None:
        left = [count]

        def write(path: Path, content: bytes) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            write_atomically(path, content)

        monkeypatch.setattr(anew, "write_atomically", write)

    old, paths = texts(folder), SUCCESSIONS[kind].paths
    killed_after(min(files, len(paths) - 1))
    with pytest.raises(KeyboardInterrupt):
        begin(folder, kind)
    half = changed(old, texts(folder))
    monkeypatch.undo()
    assert set(begin(folder, kind)) == set(paths) - half

    said = said_of(folder, kind) if kind in SEALING else []
    both = texts(folder)
    killed_after(min(files, len(paths) - 1))
    with pytest.raises(KeyboardInterrupt):
        finish(folder, kind, said)
    half = changed(both, texts(folder))
    monkeypatch.undo()
    assert set(finish(folder, kind, said)) == set(paths) - half


def test_nobody_but_postgresql_s_operator_changes_the_superuser_s_password() -> None:
    assert f"database/{SUPERUSER}" not in {path for each in SUCCESSIONS.values() for path in each.paths}


def test_the_command_prints_what_is_to_be_handed_over_and_no_value_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--anew", "master-keys", "--kubernetes", "plant"]) == 0
    begun = capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(said_of(folder, Kind.MASTER_KEYS))))
    assert main([str(folder), "--anew", "master-keys", "--finish", "--kubernetes", "plant"]) == 0
    finished = capsys.readouterr()

    for each in (begun, finished):
        assert {item["kind"] for item in json.loads(each.out)["items"]} == {"Secret"}
        assert "master-keys/auth" in each.err
        assert not [value for value in texts(folder).values() if value in each.err]


def test_refused_it_prints_nothing_that_could_be_handed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(folder), "--anew", "person-keys"])
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    assert main([str(folder), "--anew", "person-keys", "--finish", "--kubernetes", "plant"]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert "nobody has said" in said.err


def test_nothing_is_finished_that_is_not_named(folder: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        main([str(folder), "--finish"])

    assert refused.value.code == 2


@pytest.mark.parametrize("kind", sorted(set(Kind) - set(SUCCESSIONS)))
def test_what_no_folder_has_is_not_offered(folder: Path, kind: Kind) -> None:
    with pytest.raises(SystemExit):
        main([str(folder), "--anew", kind])
