"""The page at `/docs` in a real Chromium: it stands under its own policy, which allows nothing in line."""

import json
import subprocess

import pytest

from services.gateway.rules.routes import ROUTES
from tests.e2e.test_browser import BROWSER, key_of
from tests.harness.node import browser, packages, program
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real


def test_the_page_shows_every_call_and_breaks_no_policy(ironflock: RunningPlatform) -> None:
    told = {
        "executable": browser(),
        "spki": key_of(ironflock.state.tls / "gateway.pem"),
        "origin": f"https://localhost:{ironflock.ports.gateway}",
    }
    done = subprocess.run(
        [program("node"), "docs.mjs"],
        cwd=packages(BROWSER, "ironflock-browser-tests"),
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    every = sorted({route.template for route in ROUTES})
    assert json.loads(done.stdout) == {"status": 200, "problems": [], "paths": every}
