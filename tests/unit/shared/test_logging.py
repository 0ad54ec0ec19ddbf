"""What reaches the log: one JSON object a line, no local variable, no representation of what is unknown."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio
import structlog
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.request import Registration
from autobahn.wamp.types import CallDetails
from twisted.logger import Logger
from shared.identities import Credential
from shared.logging import configure
from shared.procedures import NoArguments, declared, for_people, public_errors
from shared.scopes import EVERYTHING

class Secretive:
    def __repr__(self):
        return "MARKER of a representation"

class Surface:
    @for_people("test.failing")
    async def fail(self, person, request):
        password = "MARKER of a local"
        return {}[len(password)]

async def credential_of(session):
    return Credential("key", EVERYTHING)

async def call():
    declaration, method = next(declared(Surface()))
    details = CallDetails(Registration(None, 1, "test", None), caller=1, caller_authid="5", caller_authrole="user")
    try:
        await public_errors(declaration, method, None, credential_of)(details=details)
    except ApplicationError as error:
        print(json.dumps({"answer": [error.error, list(error.args), error.kwargs]}))

import json
configure("test")
log = structlog.get_logger()
log.info("thing_made", thing=Secretive(), number=7)
log.debug("thing_looked_at")
asyncio.run(call())
library = Logger(namespace="library")
library.info("not of interest")
library.warn("of {interest}", interest="interest")
def fail(secret):
    raise OSError("the text")
try:
    fail("MARKER of an argument")
except OSError:
    library.failure("it failed")
"""


@pytest.fixture(name="lines", scope="module")
def fixture_lines() -> list[dict[str, Any]]:
    """The lines of a program that logs."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert finished.stderr == ""
    assert "MARKER" not in finished.stdout
    return [json.loads(line) for line in finished.stdout.splitlines()]


def one(lines: list[dict[str, Any]], event: str) -> dict[str, Any]:
    found = [line for line in lines if line.get("event") == event]
    assert len(found) == 1
    return found[0]


def test_every_line_names_the_service_the_level_and_the_time(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        if "answer" not in line:
            assert line["service"] == "test"
            assert line["level"] in ("info", "warning", "error")
            assert line["time"].endswith("Z")


def test_what_json_cannot_carry_is_shown_by_the_name_of_its_type(lines: list[dict[str, Any]]) -> None:
    made = one(lines, "thing_made")

    assert (made["thing"], made["number"]) == ("<Secretive>", 7)


def test_an_incident_is_found_in_the_log_with_its_place_and_without_locals(lines: list[dict[str, Any]]) -> None:
    uri, _, details = next(line["answer"] for line in lines if "answer" in line)
    failed = one(lines, "procedure_failed")

    assert uri == "ironflock.error.internal"
    assert failed["incident"] == details["incident"]
    assert failed["procedure"] == "test.failing"
    frames = [frame for exception in failed["exception"] for frame in exception["frames"]]
    assert "fail" in [frame["name"] for frame in frames]
    assert not any(frame.get("locals") for frame in frames)


def test_warnings_and_failures_of_libraries_are_forwarded_and_no_more(lines: list[dict[str, Any]]) -> None:
    reported = [line for line in lines if line.get("event") == "library_reported"]

    assert [line["text"] for line in reported] == ["of interest", "it failed"]
    assert reported[1]["exception"][0]["exc_type"] == "OSError"
    assert not any(frame.get("locals") for frame in reported[1]["exception"][0]["frames"])


def test_debug_lines_are_left_out(lines: list[dict[str, Any]]) -> None:
    assert all(line.get("event") != "thing_looked_at" for line in lines)
