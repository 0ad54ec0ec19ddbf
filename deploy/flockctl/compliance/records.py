"""Controls, what was seen, and what follows."""

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen


class Whose(StrEnum):
    """Who is to fulfil a control."""

    PLATFORM = "platform"
    ORGANIZATION = "organization"
    """Whoever runs the installation: their people, papers and contracts."""
    SITE = "site"
    """Where hosts and devices stand: premises, hardware, networks, and what is installed on them besides."""
    LIFECYCLE = "product lifecycle"
    """Whoever makes the platform: how it is developed."""


@frozen
class Control:
    """One control of a framework: what is done for it, by which evidence that can be seen, and what is not done.

    One that is not the platform's has none of these; `because` is why.
    """

    framework: str
    control: str
    title: str
    does: str = ""
    checks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    gap: str = ""
    whose: Whose = Whose.PLATFORM
    because: str = ""


class Status(StrEnum):
    """How a control is."""

    SHOWN = "shown"
    """All of its evidence is there and good."""
    PARTLY = "partly shown"
    """So it is, and something is named that is not done, or is the operator's own to do."""
    FAILED = "failed"
    """A check has found something, or a test has failed."""
    UNSEEN = "not seen"
    """Evidence is named that was not handed over."""
    GAP = "gap"
    """Nothing is done for it here by which it could be seen."""
    ELSEWHERE = "not the platform's"
    """It is for others to fulfil: nothing is said of how it is."""


@frozen
class Evidence:
    """One thing that was looked at: a check of `flockctl doctor`, or a file of tests; None where it could not be."""

    kind: str
    name: str
    is_good: bool | None
    says: str


@frozen
class Verdict:
    """A control, how it is, and why."""

    control: Control
    status: Status
    evidence: tuple[Evidence, ...]


@frozen
class TestFile:
    """How the tests of one file ended."""

    __test__ = False

    passed: int
    failed: int
    skipped: int


@frozen
class Results:
    """What results of tests say: by file, what they are (when they were made, and their SHA-256), and of what.

    `sources` and `manifests` are digests of what was tested, None where they do not say it.
    """

    by_file: Mapping[str, TestFile]
    origin: str
    sources: str | None
    manifests: str | None


@frozen
class Seen:
    """What was looked at: what `doctor` found, by the code of its check, and the results of tests, by file.

    `tests` is None where no results were handed over; `origin` says what they are, `are_of_others` whether they are not
    of the very sources that are installed, `are_of_other_manifests` whether not of the manifests that are here, or do
    not say of which.
    """

    findings: Mapping[str, tuple[str, ...]]
    checked: frozenset[str]
    tests: Mapping[str, TestFile] | None
    origin: str = ""
    are_of_others: bool = False
    are_of_other_manifests: bool = False


@frozen
class LogHead:
    """The newest signed head of the audit log; `root` is base64, `note` the checkpoint with its signatures."""

    size: int
    root: str
    note: str


@frozen
class Report:
    """Verdicts at a moment (Unix seconds), on an installation of a release; `facts` are its own, in words.

    `plan` is the file of controls, which says what was to be looked at; `head` is None where no head of the audit log
    was found that its own keys vouch for.
    """

    made_at: float
    release: str
    facts: Mapping[str, str]
    plan: bytes
    head: LogHead | None
    seen: Seen
    verdicts: tuple[Verdict, ...] = field(factory=tuple)
