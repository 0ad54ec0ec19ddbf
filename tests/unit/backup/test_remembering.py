"""What is remembered of backups: each who remembers something keeps what the others did."""

import threading
from pathlib import Path

from deploy.backup.remembering import FILE_NAME, Remembered, read_remembered, remember
from deploy.local.state import StateFolder


def test_two_at_once_do_not_lose_what_the_other_remembers(tmp_path: Path) -> None:
    state, failed = StateFolder(tmp_path), list[Exception]()

    def keep(name: str) -> None:
        try:
            for moment in range(1, 41):
                remember(state, **{name: float(moment)})
                assert getattr(read_remembered(state), name) == float(moment)
        except (OSError, AssertionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=keep, args=[name]) for name in ("made_at", "restorable_until", "drilled_at")]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert failed == []
    assert read_remembered(state) == Remembered(made_at=40.0, restorable_until=40.0, drilled_at=40.0)


def test_a_file_that_is_none_is_nothing_remembered(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("[")

    assert read_remembered(StateFolder(tmp_path)) == Remembered()
