"""Messages in a folder: found, read, shown without steering a terminal."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.commands.mail import Message, as_text, chosen, message_files, read_message
from deploy.flockctl.errors import CommandError
from services.auth.delivering import message_of
from services.auth.records.messages import Letter

FIRST, SECOND = "0f9b0d1e-0000-4000-8000-000000000001", "1f9b0d1e-0000-4000-8000-000000000002"
LINK = f"https://accounts.example.com/reset?code={'x' * 300}"


def written(folder: Path, message_id: str, at: int, text: str = LINK, subject: str = "Reset") -> Path:
    """A message as auth writes it."""
    letter = Letter("anna@example.com", subject, text)
    file = folder / f"{at}-{message_id}.eml"
    file.write_bytes(message_of(message_id, letter, sender="ironflock@localhost", now=at).as_bytes())
    return file


def test_the_newest_message_goes_first_and_other_files_are_none(tmp_path: Path) -> None:
    old, new = written(tmp_path, FIRST, 1_700_000_000), written(tmp_path, SECOND, 1_800_000_000)
    for name in (f".{FIRST}", "notes.txt", "x-y.eml", "-.eml", "\u0661-x.eml", f"{'9' * 40}-x.eml"):
        (tmp_path / name).write_text("x")

    assert message_files(tmp_path) == [new, old]
    assert chosen([new, old], "") == new
    assert chosen([new, old], "0f9b") == old


def test_of_one_second_the_last_written_goes_first(tmp_path: Path) -> None:
    early, late = written(tmp_path, SECOND, 1_700_000_000), written(tmp_path, FIRST, 1_700_000_000)
    os.utime(early, ns=(1, 1))
    os.utime(late, ns=(2, 2))

    assert message_files(tmp_path) == [late, early]


@pytest.mark.parametrize("beginning", ["2", "../", "/etc/passwd", FIRST + "x"])
def test_what_is_no_message_is_not_found(tmp_path: Path, beginning: str) -> None:
    written(tmp_path, FIRST, 1_700_000_000)

    with pytest.raises(CommandError) as refused:
        chosen(message_files(tmp_path), beginning)

    assert refused.value.code == "no_such_message"


def test_a_message_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read_message(written(tmp_path, FIRST, 1_700_000_000, "Guten Tag, \u00c4nna\n" + LINK, "Gr\u00fc\u00dfe"))

    assert (found.message_id, found.sent_at, found.recipient) == (FIRST, 1_700_000_000, "anna@example.com")
    assert (found.subject, found.text.splitlines()) == ("Gr\u00fc\u00dfe", ["Guten Tag, \u00c4nna", LINK])


def test_a_long_link_stays_whole_on_a_terminal(tmp_path: Path) -> None:
    assert LINK in as_text(read_message(written(tmp_path, FIRST, 1_700_000_000))).splitlines()


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_in_a_message_steers_a_terminal(subject: str, text: str) -> None:
    shown = as_text(Message("x", 0, "anna@example.com", subject + "\x1b[2J", text + "\u202e\x07"))

    assert not set(shown) & {"\x1b", "\x07", "\u202e", "\r"}


@pytest.mark.parametrize("octets", [b"", b"\xff\xfe", b"Content-Type: multipart/mixed; boundary=x\n\n--x\n"])
def test_what_is_no_message_of_ours_is_said_or_shown_empty(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / f"1-{FIRST}.eml"
    file.write_bytes(octets)

    try:
        found = read_message(file).message_id
    except CommandError as refused:
        found = refused.code

    assert found in (FIRST, "unreadable_mail")


def test_a_folder_or_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for read in (lambda: message_files(tmp_path / "no"), lambda: read_message(tmp_path / "1-x.eml")):
        with pytest.raises(CommandError) as refused:
            read()
        assert refused.value.code == "unreadable_mail"
