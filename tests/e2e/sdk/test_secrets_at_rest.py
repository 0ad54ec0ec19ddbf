"""What apps keep in secret columns is in no file of the platform: not in PostgreSQL's data, nor in a log."""

import secrets
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.sdk.conftest import Site
from tests.harness.sdk import SdkError

pytestmark = [pytest.mark.real]
VERSION: Final = "1.10.1"
PIECE: Final = 1 << 20


def files_with(folder: Path, marker: bytes) -> set[Path]:
    """The files below `folder` in which `marker` is."""
    return {path for path in folder.rglob("*") if path.is_file() and _is_in(path, marker)}


def _is_in(path: Path, marker: bytes) -> bool:
    end = b""
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                if marker in end + piece:
                    return True
                end = piece[-len(marker) :]
    except FileNotFoundError:  # it went meanwhile
        return False
    return False


def test_a_secret_is_in_no_file_and_what_is_none_is_found(site: Site) -> None:
    secret, note = (secrets.token_hex(16) for _ in range(2))
    row: dict[str, Any] = {"tsp": "2026-05-01T00:00:00Z", "name": note, "pin": secret}
    with site.container(VERSION) as container:
        container.do("start")
        container.do("append_to_table", "vault", row)
        for more in ({"tsp": "nonsense"}, {"tsp": None}, {"pin": f"ifsec:1:{secret}"}):  # refused, with it at hand
            with pytest.raises(SdkError):
                container.do("append_to_table", "vault", {**row, **more})
        assert container.do("verify_secret", "vault", "pin", secret, {"limit": 1}) is True
        (revealed,) = container.do("reveal_secrets", "vault", {"limit": 1})
        assert revealed["pin"] == secret
    with site.platform.database() as connection:
        connection.execute("CHECKPOINT")

    assert files_with(site.platform.state.root, note.encode())  # names are no secret: the search finds what is there
    assert files_with(site.platform.state.root, secret.encode()) == set()
