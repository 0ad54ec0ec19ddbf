"""What verification says: a code for programs, a sentence for people. The codes stay as they are."""

from enum import StrEnum

from attrs import frozen

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.cosignature import Cosignature


class Code(StrEnum):
    """What is wrong with a log. Both verifiers use these words."""

    BAD_SIGNATURE = "bad_signature"
    FIRST_DIFFERENCE = "first_difference"
    FORKED = "forked"
    MALFORMED = "malformed"
    MISSING_ENTRY = "missing_entry"
    OLDER_THAN_LAST_HEAD = "older_than_last_head"
    UNSIGNED_HEAD = "unsigned_head"
    WRONG_COMMITMENT = "wrong_commitment"


@frozen
class Finding:
    """One thing that is wrong; `index` is the first entry that it concerns, where it concerns entries."""

    code: Code
    sentence: str
    index: int | None = None


@frozen
class Report:
    """What was verified, and what is wrong with it. `head` is None where no head could be trusted."""

    head: Checkpoint | None = None
    note: bytes = b""
    cosignatures: tuple[Cosignature, ...] = ()
    entries: int = 0
    redacted: int = 0
    findings: tuple[Finding, ...] = ()
    continues_last_head: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return self.head is not None and not self.findings
