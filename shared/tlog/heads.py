"""Heads: whether one can be trusted, and what it tells beside the one that was verified last."""

from collections.abc import Iterator, Sequence

from attrs import frozen

from shared.tlog.checkpoint import Checkpoint, open_checkpoint
from shared.tlog.cosignature import Cosignature, cosigned_by
from shared.tlog.errors import AbsentError, BadSignatureError, MalformedError, UnsignedError
from shared.tlog.findings import Code, Finding, Report
from shared.tlog.note import VerifierKey
from shared.tlog.reading import LogReader


@frozen
class Trust:
    """What a verifier believes beforehand.

    `keys` are those of the log and of witnesses; `witnesses` is how many of the latter must have cosigned the head;
    `last_head` is the newest head that was verified before.
    """

    keys: Sequence[VerifierKey]
    last_head: Checkpoint | None = None
    witnesses: int = 0


@frozen
class Head:
    """A head that a key of its log signed, the note it came in, and the witnesses that cosigned it."""

    checkpoint: Checkpoint
    note: bytes
    cosignatures: tuple[Cosignature, ...]

    def report(
        self, findings: Sequence[Finding], *, entries: int = 0, redacted: int = 0, tells: bool = False
    ) -> Report:
        """The report on what was read under this head; `tells` is whether the last head was compared."""
        return Report(
            head=self.checkpoint,
            note=self.note,
            cosignatures=self.cosignatures,
            entries=entries,
            redacted=redacted,
            findings=tuple(findings),
            continues_last_head=tells,
        )


def verify_head(octets: bytes, trust: Trust) -> Head | Finding:
    """The head in `octets`, or why it is none that can be trusted."""
    try:
        opened = open_checkpoint(octets, trust.keys)
        cosignatures = cosigned_by(opened.note, trust.keys)
    except MalformedError as error:
        return Finding(Code.MALFORMED, f"the head is no checkpoint: {error}")
    except UnsignedError as error:
        return Finding(Code.UNSIGNED_HEAD, f"nobody who is trusted signed the head: {error}")
    except BadSignatureError as error:
        return Finding(Code.BAD_SIGNATURE, f"the head has a forged signature: {error}")
    if opened.checkpoint.extensions:
        return Finding(Code.MALFORMED, "the head has extension lines, which no log of this platform signs")
    if len(cosignatures) < trust.witnesses:
        return Finding(
            Code.UNSIGNED_HEAD, f"{len(cosignatures)} of {trust.witnesses} wanted witnesses cosigned the head"
        )
    return Head(opened.checkpoint, octets, cosignatures)


def read_head(reader: LogReader, trust: Trust) -> Head | Finding:
    """The head that `reader` finds, or why it is none that can be trusted."""
    try:
        octets = reader.checkpoint()
    except AbsentError:
        return Finding(Code.UNSIGNED_HEAD, "the log has no head")
    return verify_head(octets, trust)


def head_findings(head: Checkpoint, last: Checkpoint | None) -> Iterator[Finding]:
    """What a comparison of two heads alone shows."""
    if last is None:
        return
    if head.origin != last.origin:
        yield Finding(Code.FORKED, "the last verified head is that of another log")
    elif head.size < last.size:
        yield Finding(
            Code.OLDER_THAN_LAST_HEAD,
            f"the log has {head.size} entries, but had {last.size} when it was last verified: its newest are cut off",
        )
    elif head.size == last.size and head.root != last.root:
        yield Finding(
            Code.FORKED,
            f"two different heads of {head.size} entries are signed: {head.root.hex()} now, {last.root.hex()} before",
        )
