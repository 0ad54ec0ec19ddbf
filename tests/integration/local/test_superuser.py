"""The superuser's password, changed on a real server, whatever is cut off."""

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from attrs import evolve

from deploy.local import superuser
from deploy.local.bootstrap import SUPERUSER, Server, connect, set_password
from tests.integration.database import Postgres

pytestmark = pytest.mark.real


@pytest.fixture(name="file")
def fixture_file(postgres: Postgres, tmp_path: Path) -> Iterator[Path]:
    """A copy of the password's file; the server has its own again afterwards."""
    own = postgres.secret_file(SUPERUSER).read_text().strip()
    file = tmp_path / SUPERUSER
    file.write_text(own)
    with postgres.connect() as still_open:
        yield file
        set_password(still_open, SUPERUSER, own)


def server_of(postgres: Postgres, file: Path) -> Server:
    return Server(postgres.port, postgres.ca, file.read_text().strip())


def opens(server: Server) -> bool:
    try:
        connect(server, "postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def cut_off(*_: object) -> NoReturn:
    raise psycopg.InterfaceError("the machine went")


def test_the_new_one_opens_and_the_old_one_does_not(postgres: Postgres, file: Path) -> None:
    before = server_of(postgres, file)

    superuser.change(before, file, "another")

    assert opens(server_of(postgres, file))
    assert not opens(before)
    assert [path.name for path in file.parent.iterdir()] == [SUPERUSER]


def test_cut_off_before_the_database_took_it_the_next_start_carries_it_on(
    postgres: Postgres, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(superuser, "set_password", cut_off)
        with pytest.raises(psycopg.InterfaceError):
            superuser.change(server_of(postgres, file), file, "another")
    assert not opens(server_of(postgres, file))

    superuser.settle(server_of(postgres, file), file)

    assert file.read_text() == "another"
    assert opens(server_of(postgres, file))
    assert [path.name for path in file.parent.iterdir()] == [SUPERUSER]


def test_cut_off_after_the_database_took_it_nothing_is_left_to_do(postgres: Postgres, file: Path) -> None:
    old = server_of(postgres, file)
    superuser.change(old, file, "another")
    file.with_name("postgres.before").write_text(old.password)

    superuser.settle(server_of(postgres, file), file)

    assert opens(server_of(postgres, file))
    assert not opens(old)
    assert [path.name for path in file.parent.iterdir()] == [SUPERUSER]


def test_where_neither_opens_both_are_kept(postgres: Postgres, file: Path) -> None:
    file.write_text("wrong")
    before = file.with_name("postgres.before")
    before.write_text("wrong too")

    with pytest.raises(psycopg.OperationalError):
        superuser.settle(evolve(server_of(postgres, file)), file)

    assert before.exists()
