"""Our own answers to web visitors."""

import json

from services.tunnels.records.visits import Cause
from services.tunnels.rules.pages import CUT, failure, redirect, refusal
from shared.errors import NotAuthorizedError, SignInRefusedError


def test_a_browser_gets_a_page_that_runs_nothing_and_a_program_json() -> None:
    error = NotAuthorizedError("<script>alert(1)</script>")
    page, program = refusal(error, is_page=True), refusal(error, is_page=False)

    assert (page.status, program.status) == (403, 403)
    assert b"<script>" not in page.body
    assert b"&lt;script&gt;" in page.body
    assert json.loads(program.body)["code"] == "not_authorized"
    for answer in (page, program, redirect("https://a.example/", []), failure(502, "x", "y", is_page=True)):
        found = dict(answer.headers)
        assert found[b"cache-control"] == b"no-store"
        assert b"default-src 'none'" in found[b"content-security-policy"]


def test_who_shows_nothing_is_told_how() -> None:
    assert (b"www-authenticate", b"Bearer") in refusal(SignInRefusedError("show a key"), is_page=False).headers
    assert json.loads(failure(504, "gateway_timeout", "late", is_page=False).body) == {
        "error": "late",
        "code": "gateway_timeout",
    }


def test_whatever_cuts_a_visit_is_told_in_a_sentence() -> None:
    untold = {Cause.VISITOR_LEFT, Cause.DEVICE_LEFT, Cause.NOT_REACHED, Cause.EDGE_RESTARTED, Cause.FAILED}
    assert set(CUT) == {cause.value for cause in Cause if cause not in untold}
