"""Verifying an export file: JSON Lines that prove each of their entries against one signed head, offline.

First line: the head and the filter that chose the entries. Then the entries, in the log's order, each with its salt and
its inclusion proof; of an entry that is gone its commitment. Last line: how many there are.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import rfc8785
from attrs import field, mutable

from shared.tlog.errors import MalformedError, ProofError, TlogError
from shared.tlog.findings import Code, Finding, Report
from shared.tlog.hashing import HASH_LENGTH, commitment, leaf_hash
from shared.tlog.heads import Head, Trust, head_findings, verify_head
from shared.tlog.note import decode_base64
from shared.tlog.proof import verify_inclusion
from shared.tlog.tree import MAX_TREE_SIZE

MAX_LINE_LENGTH: Final = 4 * 1024 * 1024
"""Octets. An entry is as large as the change that it tells of, which a message of the bus bounds at 1 MiB."""
CAUSES: Final = frozenset({"erasure", "retention"})
_ENTRY: Final = frozenset({"type", "leaf_index", "salt", "entry", "inclusion_proof"})
_REDACTED: Final = frozenset({"type", "leaf_index", "commitment", "cause", "redacted_at", "inclusion_proof"})
_HEAD: Final = frozenset({"type", "checkpoint", "keys", "filter"})
_END: Final = frozenset({"type", "entries"})


def verify_export(lines: Iterable[bytes], trust: Trust) -> Report:
    """Verify an export file, read line by line; a line may come with or without its newline."""
    reading = _Reading(trust)
    for number, line in enumerate(lines, 1):
        try:
            reading.accept(_decoded(line))
        except TlogError as error:
            reading.findings.append(Finding(Code.MALFORMED, f"line {number}: {error}"))
            reading.is_stopped = True
        if reading.is_stopped:
            return reading.report()
    reading.finish()
    return reading.report()


@mutable
class _Reading:
    trust: Trust
    head: Head | None = None
    is_whole: bool = False
    is_ended: bool = False
    is_stopped: bool = False
    entries: int = 0
    redacted: int = 0
    next_index: int = 0
    findings: list[Finding] = field(factory=list)

    def report(self) -> Report:
        if self.head is None:
            return Report(findings=tuple(self.findings))
        last = self.trust.last_head
        is_last = last is not None and last.size == self.head.checkpoint.size and not self.findings
        return self.head.report(self.findings, entries=self.entries, redacted=self.redacted, tells=is_last)

    def accept(self, line: Mapping[str, Any]) -> None:
        if self.is_ended:
            raise MalformedError("there is something behind the end")
        if self.head is None:
            self._accept_head(line)
        elif line.get("type") == "end":
            self._accept_end(line)
        else:
            self._accept_leaf(line, self.head)

    def finish(self) -> None:
        if self.head is None:
            self.findings.append(Finding(Code.MALFORMED, "the file is empty"))
        elif not self.is_ended:
            self._missing("the file ends before its last line: it was cut off")

    def _accept_head(self, line: Mapping[str, Any]) -> None:
        if line.get("type") != "head":
            raise MalformedError("the first line is not the head")
        _require_keys(line, _HEAD)
        head = verify_head(_text(line, "checkpoint").encode("utf-8", "surrogatepass"), self.trust)
        if isinstance(head, Finding):
            self.findings.append(head)
            self.is_stopped = True
            return
        self.head = head
        self.is_whole = _is_whole(line["filter"])
        self.findings += head_findings(head.checkpoint, self.trust.last_head)

    def _accept_end(self, line: Mapping[str, Any]) -> None:
        _require_keys(line, _END)
        self.is_ended = True
        said = _integer(line, "entries")
        if said != self.entries:
            self._missing(f"the file says that it has {said} entries, it has {self.entries}")
        elif self.is_whole and self.head is not None and self.next_index < self.head.checkpoint.size:
            self._missing(f"an export of the whole log lacks entries from {self.next_index}")

    def _accept_leaf(self, line: Mapping[str, Any], head: Head) -> None:
        index, committed, proof = _leaf(line)
        if index < self.next_index:
            raise MalformedError(f"entry {index} is not in the log's order")
        if self.is_whole and index > self.next_index:
            self._missing(f"an export of the whole log lacks entries from {self.next_index}")
        self.next_index = index + 1
        self.entries += 1
        self.redacted += line["type"] == "redacted"
        size, root = head.checkpoint.size, head.checkpoint.root
        try:
            verify_inclusion(index=index, size=size, leaf=leaf_hash(committed), proof=proof, root=root)
        except ProofError as error:
            sentence = f"entry {index} is not the one that the log commits to: {error}"
            self.findings.append(Finding(Code.WRONG_COMMITMENT, sentence, index))

    def _missing(self, sentence: str) -> None:
        self.findings.append(Finding(Code.MISSING_ENTRY, sentence, self.next_index))


def _decoded(line: bytes) -> Mapping[str, Any]:
    if len(line) > MAX_LINE_LENGTH:
        raise MalformedError(f"longer than {MAX_LINE_LENGTH} octets")
    try:
        found = json.loads(line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise MalformedError("not JSON") from error
    if not isinstance(found, dict):
        raise MalformedError("not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Which of two equal keys counts is each reader's choice, so an entry could be read in two ways.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("a key stands twice in an object")
    return found


def _no_number(word: str) -> Any:
    raise MalformedError(f"{word} is no number of JSON")


def _leaf(line: Mapping[str, Any]) -> tuple[int, bytes, tuple[bytes, ...]]:
    match line.get("type"):
        case "entry":
            _require_keys(line, _ENTRY, optional="opened")
            committed = commitment(_hash(line["salt"]), _canonical(line["entry"]))
        case "redacted":
            _require_keys(line, _REDACTED)
            _text(line, "redacted_at")
            if _text(line, "cause") not in CAUSES:
                raise MalformedError("unknown cause of redaction")
            committed = _hash(line["commitment"])
        case _:
            raise MalformedError("neither an entry nor the end")
    proof = line["inclusion_proof"]
    if not isinstance(proof, list):
        raise MalformedError("inclusion_proof is no list")
    return _integer(line, "leaf_index"), committed, tuple(_hash(each) for each in proof)


def _canonical(entry: Any) -> bytes:
    if not isinstance(entry, dict):
        raise MalformedError("entry is no JSON object")
    try:
        return rfc8785.dumps(entry)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise MalformedError("entry has no canonical form") from error


def _hash(value: Any) -> bytes:
    octets = decode_base64(value) if isinstance(value, str) else b""
    if len(octets) != HASH_LENGTH:
        raise MalformedError(f"not base64 of {HASH_LENGTH} octets")
    return octets


def _require_keys(line: Mapping[str, Any], keys: frozenset[str], *, optional: str | None = None) -> None:
    if line.keys() - {optional} != keys:
        raise MalformedError(f"its keys are not {', '.join(sorted(keys))}")


def _text(line: Mapping[str, Any], key: str) -> str:
    value = line[key]
    if not isinstance(value, str):
        raise MalformedError(f"{key} is no text")
    return value


def _integer(line: Mapping[str, Any], key: str) -> int:
    value = line[key]
    if type(value) is not int or not 0 <= value <= MAX_TREE_SIZE:
        raise MalformedError(f"{key} is no number of entries")
    return value


def _is_whole(chosen: Any) -> bool:
    if not isinstance(chosen, dict):
        raise MalformedError("filter is no JSON object")
    return all(value is None for value in chosen.values())
