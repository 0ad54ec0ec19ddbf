"""Manifests: signed by the installation, whole, and of their folder."""

import json
import os
from pathlib import Path

import pytest
from attrs import evolve

from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.manifest import (
    FILE_NAME,
    KEY_NAME,
    LEFT_S,
    Kind,
    Manifest,
    left_behind,
    manifests,
    new_id,
    read_manifest,
    remove,
    write_manifest,
)
from deploy.backup.sealing import Part
from deploy.backup.signing import keys_of, signer_of
from deploy.flockctl.commands.backups import backup_prune
from deploy.local.state import StateFolder
from shared.tlog.note import Signer

SIGNER = Signer.from_seed(KEY_NAME, bytes(32))
KEYS = (SIGNER.verifier_key,)
MANIFEST = Manifest(
    format=1,
    backup_id=new_id(1_800_000_000.25, Kind.WAL),
    kind=Kind.WAL,
    parent=None,
    began_at=1_800_000_000.25,
    restorable_until=1_800_000_002.0,
    system_identifier="7",
    timeline=1,
    server_version=180_001,
    segment_octets=16,
    log_size=3,
    parts=(Part("files.tar.gz.age", 10, "00"), Part("wal-0A.gz.age", 5, "11")),
)


def written(place: Path, manifest: Manifest = MANIFEST) -> Path:
    """The folder of a backup, without its parts."""
    folder = place / manifest.backup_id
    folder.mkdir()
    write_manifest(place, manifest, SIGNER)
    return folder


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    folder = written(tmp_path)

    assert read_manifest(folder, KEYS) == MANIFEST
    assert list(MANIFEST.segments) == ["0A"]
    assert MANIFEST.part("base.tar") is None


def test_a_history_of_a_timeline_keeps_its_name_and_is_no_segment(tmp_path: Path) -> None:
    parts = (Part("wal-00000002.history.gz.age", 5, "22"), Part(f"wal-{2:08X}{9:016X}.gz.age", 5, "33"))
    folder = written(tmp_path, evolve(MANIFEST, timeline=2, parts=parts))

    found = read_manifest(folder, KEYS)

    assert list(found.log) == ["00000002.history", "000000020000000000000009"]
    assert list(found.segments) == ["000000020000000000000009"]


def test_what_a_run_left_that_died_is_told_of_a_day_later(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "lost+found").mkdir()
    folder = tmp_path / new_id(1_800_000_200.0, Kind.FULL)
    (folder / "second").mkdir(parents=True)
    part = folder / "second" / "base.tar.gz.age"
    part.write_bytes(b"x")
    for path in (part, part.parent, folder, tmp_path / MANIFEST.backup_id):
        os.utime(path, (0, 1_800_000_300.0))

    assert left_behind(tmp_path / "absent", 0.0) == []
    assert left_behind(tmp_path, 1_800_000_300.0 + LEFT_S) == []
    assert left_behind(tmp_path, 1_800_000_301.0 + LEFT_S) == [folder.name]
    os.utime(part, (0, 1_800_000_400.0))
    assert left_behind(tmp_path, 1_800_000_301.0 + LEFT_S) == []  # somebody is at it


def test_what_was_left_behind_is_pruned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, place = tmp_path / "state", tmp_path / "place"
    (state / "secrets").mkdir(parents=True)
    key = tmp_path / "key"
    key.write_text(signer_of(StateFolder(state)).verifier_key.text)
    folder = place / new_id(1_800_000_200.0, Kind.FULL)
    folder.mkdir(parents=True)
    os.utime(folder, (0, 0))

    backup_prune(from_=place, keep="35d", yes=True, key_file=key, json=True)

    assert json.loads(capsys.readouterr().out) == {"deleted": [folder.name]}
    assert list(place.iterdir()) == []


def test_what_another_key_signed_is_not_believed(tmp_path: Path) -> None:
    folder = written(tmp_path)

    with pytest.raises(UntrustedError):
        read_manifest(folder, [Signer.from_seed(KEY_NAME, bytes(31) + b"1").verifier_key])


@pytest.mark.parametrize("old_new", [(b'"octets":10', b'"octets":11'), (b'"log_size":3', b'"log_size":2')])
def test_a_changed_manifest_is_not_believed(tmp_path: Path, old_new: tuple[bytes, bytes]) -> None:
    file = written(tmp_path) / FILE_NAME
    file.write_bytes(file.read_bytes().replace(*old_new))

    with pytest.raises(UntrustedError):
        read_manifest(file.parent, KEYS)


def test_a_manifest_in_another_backups_folder_is_not_believed(tmp_path: Path) -> None:
    folder = written(tmp_path)
    moved = folder.rename(tmp_path / new_id(1_900_000_000.0, Kind.WAL))

    with pytest.raises(UntrustedError):
        read_manifest(moved, KEYS)


def test_backups_are_listed_by_age_and_what_was_not_finished_is_none(tmp_path: Path) -> None:
    later = evolve(MANIFEST, backup_id=new_id(1_800_000_100.0, Kind.FULL), kind=Kind.FULL)
    written(tmp_path, later)
    written(tmp_path)
    (tmp_path / new_id(1_800_000_200.0, Kind.FULL)).mkdir()

    assert list(manifests(tmp_path, KEYS)) == [MANIFEST, later]
    assert list(manifests(tmp_path / "absent", KEYS)) == []


def test_a_deleted_backup_is_gone_whole(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "files.tar.gz.age").write_bytes(b"x")

    remove(tmp_path, MANIFEST)

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BackupError):
        remove(tmp_path, MANIFEST)


def test_an_installation_has_one_key_for_good(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.secrets.mkdir()

    first, again = signer_of(state), signer_of(state)

    assert first.verifier_key == again.verifier_key == keys_of(f"{first.verifier_key.text}\n")[0]
    assert state.backup_signing_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "nonsense", "ironflock.local/backup+00000000+AAAA"])
def test_keys_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BackupError):
        keys_of(text)
