"""A launcher that is killed at any moment of its preparation leaves something the next one repairs."""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.preparation import Prepared, ensure_state, prepare
from deploy.local.settings import LocalSettings, local_settings
from tests.integration.local.sites import DATABASE, Site, end, wait_until

pytestmark = pytest.mark.real


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours may catch it."""


def prepared(settings: LocalSettings) -> Prepared:
    account = ensure_state(settings, is_root=os.geteuid() == 0)
    return prepare(settings, account, dt.datetime.now(dt.UTC))  # noqa: TID251 - for certificates that are valid now


def kill_at_the_next_new_name(monkeypatch: pytest.MonkeyPatch, seen: set[Path], *, after: bool) -> None:
    """Raise `Killed` before or after a file or folder gets a final name that is not yet in `seen`."""
    real = {"replace": Path.replace, "rename": Path.rename}

    def patched(name: str) -> Callable[[Path, Path], Path]:
        def move(self: Path, target: Path) -> Path:
            kills = target not in seen
            seen.add(target)
            if kills and not after:
                raise Killed
            moved = real[name](self, target)
            if kills:
                raise Killed
            return moved

        return move

    for name in real:
        monkeypatch.setattr(Path, name, patched(name))


def kill_everywhere(settings: LocalSettings, *, after: bool) -> set[Path]:
    """Prepare again and again, killed once at each step; return the steps."""
    seen: set[Path] = set()
    while True:
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at_the_next_new_name(monkeypatch, seen, after=after)
            try:
                prepared(settings)
            except Killed:
                continue
        return seen


@pytest.mark.parametrize("after", [False, True])
def test_given_a_kill_at_every_step_when_started_again_then_the_database_comes_up(
    new_site: Callable[[], Site],
    after: bool,
) -> None:
    site = new_site()

    steps = kill_everywhere(local_settings(site.environment()), after=after)
    launcher = site.start(*DATABASE)
    wait_until(lambda: site.runs(launcher))

    assert {site.state.ca_certificate, site.state.postgres / "data", site.state.owner_api_key} <= steps
    with site.connect("svc_auth") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    end(launcher)
