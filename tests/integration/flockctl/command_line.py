"""`flockctl` as a program, against a state folder that names a fake router."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from shared.api_keys import mint
from tests.harness.forking import Run
from tests.integration.flockctl.fake_router import FakeRouter

API_KEY = mint(bytes(range(48)))


@frozen
class Ended:
    """How a run ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error on standard error, as JSON."""
        return json.loads(self.err)["error"]


@frozen
class CommandLine:
    """Runs flockctl against a state folder."""

    state: Path

    @property
    def environment(self) -> dict[str, str]:
        """What it is told besides its arguments."""
        return {**os.environ, "IRONFLOCK_LOCAL_STATE": str(self.state), "COLUMNS": "200"}

    @contextmanager
    def start(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """One that goes on, until the end of the block."""
        command = [sys.executable, "-m", "deploy.flockctl", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def __call__(self, *arguments: str, told: str = "") -> Ended:
        """Run it to its end, with `told` on its standard input."""
        run = Run(arguments, self.environment, Path.cwd())
        try:
            out, err = run.communicate(told, 40)
        finally:
            run.kill()
        assert "Traceback" not in err + out
        assert run.returncode is not None
        return Ended(run.returncode, out, err)


def heard(router: FakeRouter, uri: str) -> list[dict[str, Any]]:
    """The keyword arguments of every call of `uri`."""
    calls = [message for session in router.script.sessions for message in session.received if message[0] == 48]
    return [message[5] if len(message) > 5 else {} for message in calls if message[3] == uri]
