"""A project that was taken out is what its installation signed, part by part."""

from pathlib import Path

import pytest
from attrs import evolve

from deploy.backup.errors import UntrustedError
from deploy.backup.manifest import KEY_NAME
from deploy.backup.sealing import Part
from deploy.carrying.manifest import FORMAT, KIND, Carried, CarriedBackend, read_carried, write_carried
from shared.tlog.note import Signer

SIGNER, OTHER = (Signer.from_seed(KEY_NAME, bytes([number]) * 32) for number in (1, 2))
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
CARRIED = Carried(
    kind=KIND,
    format=FORMAT,
    import_id="one",
    name="plant",
    project_key=7,
    made_at=1_800_000_000.5,
    server_version=180_001,
    control=Part("control.gz.age", 0, EMPTY),
    backends=(CarriedBackend(3, Part("3.gz.age", 0, EMPTY)),),
)


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    for part in CARRIED.parts:
        (tmp_path / part.name).touch()
    return tmp_path


def test_what_was_written_is_read(folder: Path) -> None:
    write_carried(folder, CARRIED, SIGNER)

    assert read_carried(folder, [SIGNER.verifier_key]) == CARRIED


def test_of_another_key_another_release_or_damaged_it_is_refused(folder: Path) -> None:
    write_carried(folder, CARRIED, SIGNER)
    with pytest.raises(UntrustedError, match="not signed"):
        read_carried(folder, [OTHER.verifier_key])
    (folder / "3.gz.age").write_bytes(b"x")
    with pytest.raises(UntrustedError, match="damaged"):
        read_carried(folder, [SIGNER.verifier_key])
    write_carried(folder, evolve(CARRIED, format=FORMAT + 1), SIGNER)
    with pytest.raises(UntrustedError, match="another release"):
        read_carried(folder, [SIGNER.verifier_key])
    (folder / "manifest").unlink()
    with pytest.raises(UntrustedError, match="no project"):
        read_carried(folder, [SIGNER.verifier_key])
