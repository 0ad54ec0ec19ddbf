"""Where the database servers beside the first are."""

import json
from pathlib import Path

import pytest

from shared.clusters import Address, Clusters
from shared.errors import UnavailableError


def write(folder: Path, name: str, **said: object) -> None:
    (folder / f"{name}.json").write_text(json.dumps(said))


def test_a_file_says_where_a_server_is(tmp_path: Path) -> None:
    clusters = Clusters(tmp_path)
    assert clusters.names() == []

    write(tmp_path, "south", host="db.south", port=5432, ca_file="south.pem", password_file="/run/secrets/south")

    assert clusters.names() == ["south"]
    assert clusters.find("south") == Address("db.south", 5432, tmp_path / "south.pem", Path("/run/secrets/south"))


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert Clusters(None).names() == []
    assert Clusters(tmp_path / "missing").names() == []
    with pytest.raises(UnavailableError):
        Clusters(None).find("south")


@pytest.mark.parametrize(
    "said", [{}, {"host": "h", "port": "5432", "ca_file": "c"}, {"host": "h", "port": 1, "ca_file": "c", "user": "x"}]
)
def test_a_file_that_says_something_else_is_no_server(tmp_path: Path, said: dict[str, object]) -> None:
    write(tmp_path, "south", **said)

    with pytest.raises(UnavailableError):
        Clusters(tmp_path).find("south")


@pytest.mark.parametrize("name", ["../south", "South", "", "a" * 41])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnavailableError):
        Clusters(tmp_path).find(name)


def test_a_name_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, "south\n", host="db.south", port=5432, ca_file="south.pem")

    assert Clusters(tmp_path).names() == []
    with pytest.raises(UnavailableError):
        Clusters(tmp_path).find("south\n")
