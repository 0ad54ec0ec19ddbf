"""The page at `/docs` in a real Chromium: it stands under its own policy, which allows nothing in line."""

import shutil
import subprocess
from pathlib import Path

import pytest

from services.gateway.rules.routes import ROUTES
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_the_page_shows_every_call_and_breaks_no_policy(ironflock: RunningPlatform, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
            f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom",
            f"https://localhost:{ironflock.ports.gateway}/docs",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    for route in ROUTES:
        assert f'data-path="{route.template}"' in done.stdout, route
    assert "Content Security Policy" not in done.stderr
    assert "Uncaught" not in done.stderr
