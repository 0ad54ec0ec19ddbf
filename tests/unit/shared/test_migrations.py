"""Which migrations run, and which folders are refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.migrations import Migration, MigrationError, load, pending

ROOT = Path(__file__).parents[3]


def migrations(count: int) -> list[Migration]:
    return [Migration(number, f"{number:04}_step", f"SELECT {number}") for number in range(1, count + 1)]


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text(f"-- {name}", encoding="utf-8")
    return folder


def test_files_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    found = load(write(tmp_path, "0002_b.sql", "0001_a.sql", "0003_c.sql", "README.md"))

    assert [(m.number, m.name, m.text) for m in found] == [
        (1, "0001_a", "-- 0001_a.sql"),
        (2, "0002_b", "-- 0002_b.sql"),
        (3, "0003_c", "-- 0003_c.sql"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ["0002_b.sql"],
        ["0001_a.sql", "0003_c.sql"],
        ["0001_a.sql", "0001_b.sql"],
        ["0000_a.sql"],
        ["1_a.sql"],
        ["0001.sql"],
        ["0001_A.sql"],
        ["0001-a.sql"],
        ["0001_a.sql", "helper.sql"],
    ],
)
def test_given_a_gap_a_twin_or_another_name_when_files_are_read_then_it_is_refused(
    tmp_path: Path, names: list[str]
) -> None:
    with pytest.raises(MigrationError):
        load(write(tmp_path, *names))


@given(st.integers(0, 9), st.integers(0, 9))
def test_what_has_not_run_runs_in_order(known: int, ran: int) -> None:
    files, applied = migrations(known), {m.number: m.digest for m in migrations(min(known, ran))}

    assert pending(files, applied) == files[ran:]


@given(st.integers(1, 9), st.data())
def test_given_a_file_that_changed_when_it_had_run_then_it_is_refused(known: int, data: st.DataObject) -> None:
    files = migrations(known)
    changed = data.draw(st.sampled_from(files))
    applied = {m.number: m.digest for m in files} | {changed.number: Migration(0, "", "other").digest}

    with pytest.raises(MigrationError, match=changed.name):
        pending(files, applied)


@given(st.integers(0, 5), st.integers(1, 5))
def test_given_a_database_of_a_newer_version_when_it_is_looked_at_then_it_is_refused(known: int, more: int) -> None:
    applied = {m.number: m.digest for m in migrations(known + more)}

    with pytest.raises(MigrationError, match=f"has seen migration {known + more}"):
        pending(migrations(known), applied)


@pytest.mark.parametrize("schema", ["audit", "auth", "realms", "devices"])
def test_the_migrations_of_every_schema_can_be_read(schema: str) -> None:
    assert load(ROOT / "services" / schema / "migrations")
