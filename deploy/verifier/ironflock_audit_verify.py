#!/usr/bin/env python3
"""Verify an IronFlock audit log, or an export of it, without IronFlock.

This one file needs Python 3.11 and the `cryptography` package, and nothing of the platform: it was written from the
specifications (RFC 6962, RFC 8785; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles), apart from the
platform's own verifier, so that two implementations have to agree.

    ironflock_audit_verify.py --url https://host:8452/audit --ca ca.pem --key-file keys --last-head my-last-head
    ironflock_audit_verify.py --export export.jsonl --key 'ironflock.local/audit+...'
    ironflock_audit_verify.py --folder /mnt/copy-of-the-log --key-file keys --range 100-199

Exit status: 0 all is well, 1 something is wrong with the log, 2 wrong usage, 3 the log could not be read.
"""

import argparse
import base64
import contextlib
import hashlib
import http.client
import json
import math
import os
import re
import ssl
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE = 256
LARGEST = 2**63 - 1
MAX_NOTE = 1_000_000
MAX_LINE = 4 * 1024 * 1024
MAX_BODY = 1_000_000
TIMEOUT_S = 30
HTTP_OK, HTTP_ABSENT = 200, (404, 410)
OF_LOG, OF_WITNESS = 1, 4
ALL_WELL, WRONG, USAGE, UNREADABLE = 0, 1, 2, 3
EXACT_INTEGER = 2**53 - 1


# -------------------------------------------------------------------------------------------------- complaints


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong: a stable code, a sentence, and the first entry that it concerns."""

    code: str
    sentence: str
    index: int | None = None


class Wrong(Exception):  # noqa: N818 - it is a complaint on its way up
    """Raised where reading cannot go on."""

    def __init__(self, code: str, sentence: str, index: int | None = None) -> None:
        """Carry a complaint."""
        super().__init__(sentence)
        self.complaint = Complaint(code, sentence, index)


class BadFormError(Exception):
    """Something is not of its form."""


class AbsentError(Exception):
    """Something is not there."""


class UnreadableError(Exception):
    """The log cannot be reached; that says nothing of the log."""


@dataclass
class Verdict:
    """What was looked at, and what was wrong."""

    head: "Head | None" = None
    entries: int = 0
    redacted: int = 0
    compared: bool = False
    complaints: list[Complaint] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether there is a trusted head and no complaint."""
        return self.head is not None and not self.complaints


# ----------------------------------------------------------------------------- hashes of RFC 6962, section 2.1


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over the parts, one behind the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def parent(left: bytes, right: bytes) -> bytes:
    """The hash of a node with two children."""
    return sha256(b"\x01", left, right)


def power_below(count: int) -> int:
    """The largest power of two smaller than `count` (at least 2): so many leaves has the left subtree."""
    return 1 << ((count - 1).bit_length() - 1)


def root_by_path(index: int, count: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root over `count` leaves: the recursion of section 2.1.1 backwards, the last hash is nearest the root."""
    if not 0 <= index < count:
        raise BadFormError(f"there is no leaf {index} among {count}")
    if count == 1:
        if path:
            raise BadFormError("the inclusion proof is too long")
        return leaf
    if not path:
        raise BadFormError("the inclusion proof is too short")
    left = power_below(count)
    if index < left:
        return parent(root_by_path(index, left, leaf, path[:-1]), path[-1])
    return parent(path[-1], root_by_path(index - left, count - left, leaf, path[:-1]))


class Pyramid:
    """All complete nodes over a list of leaf hashes, a row a level."""

    def __init__(self, leaves: list[bytes]) -> None:
        """Hash every row up to the last that has a node."""
        self.rows = [leaves]
        while len(self.rows[-1]) > 1:
            below = self.rows[-1]
            self.rows.append([parent(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    def root(self, count: int, start: int = 0) -> bytes:
        """The hash over the `count` leaves from `start`, which begins a subtree of section 2.1."""
        if count == 0:
            return sha256()
        if count & (count - 1) == 0:
            return self.rows[count.bit_length() - 1][start // count]
        left = power_below(count)
        return parent(self.root(left, start), self.root(count - left, start + left))


# ---------------------------------------------------------------------------- notes, heads, keys (all of C2SP)


def strict_base64(text: str) -> bytes:
    """Base64 with padding in its one form."""
    try:
        octets = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise BadFormError("not base64") from error
    if base64.b64encode(octets) != text.encode("ascii"):
        raise BadFormError("base64 of another form")
    return octets


def is_name(name: str) -> bool:
    """Whether a key may be called so."""
    return re.fullmatch(r"[^\s+\x00-\x1f\ud800-\udfff]+", name) is not None and len(name.encode()) <= TILE - 1


@dataclass(frozen=True)
class Key:
    """A public key: of a log (kind 1) or of a witness (kind 4)."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four octets by which a signature names the key."""
        return sha256(self.name.encode(), b"\n", bytes([self.kind]), self.public)[:4]

    @staticmethod
    def from_text(text: str) -> "Key":
        """Read `<name>+<id>+<base64>`."""
        found = re.fullmatch(r"([^+]*)\+([0-9a-f]{8})\+(.*)", text)
        if found is None or not is_name(found[1]):
            raise BadFormError("a key is <name>+<8 hexadecimal digits>+<base64>")
        material = strict_base64(found[3])
        if len(material) != 33 or material[0] not in (OF_LOG, OF_WITNESS):  # noqa: PLR2004 - a kind and 32 octets
            raise BadFormError("a key of an unknown kind")
        key = Key(found[1], material[0], material[1:])
        if key.id.hex() != found[2]:
            raise BadFormError("a key with the id of another key")
        return key

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made the Ed25519 signature over the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def signed(self, text: bytes, signature: bytes) -> bool:
        """Whether this key signed, or as a witness cosigned, the text of a head."""
        if self.kind == OF_LOG:
            return self.accepts(text, signature)
        if len(signature) != 72:  # noqa: PLR2004 - eight octets of time and an Ed25519 signature
            return False
        (time,) = struct.unpack(">Q", signature[:8])
        return 0 < time <= LARGEST and self.accepts(b"cosignature/v1\ntime %d\n%s" % (time, text), signature[8:])


@dataclass(frozen=True)
class Head:
    """A checkpoint, and the note that it came in."""

    origin: str
    size: int
    root: bytes
    extension: str = ""
    note: bytes = b""
    witnesses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trust:
    """What is believed beforehand."""

    keys: tuple[Key, ...]
    last: Head | None = None
    witnesses: int = 0


def split_note(octets: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text of a note, and of each signature the key's name, its id and what it made."""
    if len(octets) > MAX_NOTE:
        raise BadFormError("longer than a note may be")
    try:
        whole = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFormError("not UTF-8") from error
    if any(character < " " and character != "\n" for character in whole):
        raise BadFormError("a control character")
    at = whole.rfind("\n\n")
    if at < 0 or not whole.endswith("\n") or at + 2 == len(whole):
        raise BadFormError("no signatures behind an empty line")
    lines = whole[at + 2 : -1].split("\n")
    if len(lines) > 100:  # noqa: PLR2004 - the limit of the best known implementation
        raise BadFormError("too many signatures")
    return whole[: at + 1], [split_signature(line) for line in lines]


def split_signature(line: str) -> tuple[str, bytes, bytes]:
    """A signature line's three parts."""
    words = line.split(" ")
    if len(words) != 3 or words[0] != "—" or not is_name(words[1]):  # noqa: PLR2004 - a dash, a name, base64
        raise BadFormError("a line that is no signature")
    octets = strict_base64(words[2])
    if len(octets) < 5:  # noqa: PLR2004 - an id of four octets, and something behind it
        raise BadFormError("a signature line without a signature")
    return words[1], octets[:4], octets[4:]


def head_in(text: str) -> Head:
    """The head that the text of a checkpoint says."""
    found = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([^\n]+)\n((?:[^\n]+\n)*)", text, re.ASCII)
    if found is None or len(found[1].encode()) > TILE - 1 or int(found[2]) > LARGEST:
        raise BadFormError("no checkpoint")
    root = strict_base64(found[3])
    if len(root) != 32:  # noqa: PLR2004 - SHA-256
        raise BadFormError("a root hash of another length")
    return Head(found[1], int(found[2]), root, found[4])


def trusted_head(octets: bytes, trust: Trust) -> Head:
    """The head in a note that a key of its log signed.

    Raises:
        Wrong: It is none, nobody signed it, or a signature is forged.
    """
    try:
        text, signatures = split_note(octets)
        head = head_in(text)
    except BadFormError as error:
        raise Wrong("malformed", f"the head is no checkpoint: {error}") from error
    if head.origin not in {key.name for key in signers(OF_LOG, trust, text, signatures)}:
        raise Wrong("unsigned_head", "nobody who is trusted signed the head")
    witnesses = signers(OF_WITNESS, trust, text, signatures)
    if head.extension:
        raise Wrong("malformed", "the head has extension lines")
    if len(witnesses) < trust.witnesses:
        raise Wrong("unsigned_head", f"only {len(witnesses)} of {trust.witnesses} witnesses cosigned the head")
    return replace(head, note=octets, witnesses=tuple(sorted(key.name for key in witnesses)))


def signers(kind: int, trust: Trust, text: str, signatures: list[tuple[str, bytes, bytes]]) -> set[Key]:
    """The trusted keys of a kind that signed; a signature that only says it is of one of them is forged."""
    found = set()
    for key in trust.keys:
        for name, id_, made in signatures:
            if key.kind == kind and (key.name, key.id) == (name, id_):
                if not key.signed(text.encode(), made):
                    raise Wrong("bad_signature", f"the head has a forged signature of {name}")
                found.add(key)
    return found


def complaints_of_heads(head: Head, last: Head | None) -> list[Complaint]:
    """What the head and the last one show beside each other."""
    if last is None:
        return []
    if last.origin != head.origin:
        return [Complaint("forked", "the last verified head is that of another log")]
    if head.size < last.size:
        sentence = f"the log had {last.size} entries when it was last verified, now it has {head.size}"
        return [Complaint("older_than_last_head", sentence)]
    if head.size == last.size and head.root != last.root:
        return [Complaint("forked", f"there are two signed heads of {head.size} entries")]
    return []


# ---------------------------------------------------------------------------------------------- where a log is


class Folder:
    """A log whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        """Read below `folder`."""
        self.folder = folder

    def get(self, path: str) -> bytes:
        """The content of a file."""
        try:
            return (self.folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise AbsentError(path) from error
        except OSError as error:
            raise UnreadableError(f"{path}: {error.strerror}") from error


class Https:
    """A log that is served over HTTPS."""

    def __init__(self, prefix: str, ca: Path | None) -> None:
        """Read below `prefix`, from a server that `ca` (or the system's authorities) vouches for."""
        url = urlsplit(prefix)
        if url.scheme != "https" or not url.hostname or url.query or url.fragment or url.username:
            raise BadFormError("--url takes https://<host>[:<port>]/<prefix>")
        self.base = url.path.rstrip("/")
        context = ssl.create_default_context(cafile=ca)
        self.connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=TIMEOUT_S, context=context)

    def close(self) -> None:
        """Give the connection up."""
        self.connection.close()

    def get(self, path: str) -> bytes:
        """What the server answers."""
        try:
            self.connection.request("GET", f"{self.base}/{path}", headers={"Accept-Encoding": "identity"})
            response = self.connection.getresponse()
            body = response.read(MAX_BODY + 1)
            if response.status != HTTP_OK or len(body) > MAX_BODY:
                self.connection.close()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise UnreadableError(f"{path}: {error}") from error
        if response.status in HTTP_ABSENT:
            raise AbsentError(path)
        if response.status != HTTP_OK:
            raise UnreadableError(f"{path}: HTTP status {response.status}")
        return body


Source = Folder | Https


def place(name: str, number: int, width: int) -> str:
    """The path of a tile or bundle (C2SP tlog-tiles)."""
    groups: list[str] = []
    while True:
        number, last = divmod(number, 1000)
        groups.append(f"x{last:03d}" if groups else f"{last:03d}")
        if number == 0:
            break
    path = f"tile/{name}/{'/'.join(reversed(groups))}"
    return path if width == TILE else f"{path}.p/{width}"


def get_wide(source: Source, name: str, number: int, width: int) -> tuple[bytes, bool]:
    """A tile or bundle, or the full one in place of a partial one that is gone; and whether it is the full one."""
    try:
        return source.get(place(name, number, width)), width == TILE
    except AbsentError:
        if width == TILE:
            raise
        return source.get(place(name, number, TILE)), True


def get_tile(source: Source, level: int, number: int, size: int) -> list[bytes]:
    """The hashes of a tile in the tree of `size` leaves."""
    first = number * TILE ** (level + 1)
    width = min(TILE, size // TILE**level - number * TILE)
    try:
        octets, is_full = get_wide(source, str(level), number, width)
    except AbsentError as error:
        raise Wrong("missing_entry", f"{place(str(level), number, width)} is not there", first) from error
    if len(octets) != 32 * (TILE if is_full else width):
        raise Wrong("malformed", f"{place(str(level), number, width)} has {len(octets)} octets", first)
    return [octets[at : at + 32] for at in range(0, 32 * width, 32)]


def get_bundle(source: Source, number: int, size: int) -> list[bytes]:
    """The commitments in an entry bundle of a log of `size` entries."""
    first = number * TILE
    width = min(TILE, size - first)
    name = place("entries", number, width)
    try:
        octets, is_full = get_wide(source, "entries", number, width)
    except AbsentError as error:
        raise Wrong("missing_entry", f"{name} is not there", first) from error
    # Every commitment has 32 octets behind a length of two: a bundle of any other form is none of this log.
    if len(octets) % 34 or any(octets[at : at + 2] != b"\x00\x20" for at in range(0, len(octets), 34)):
        raise Wrong("malformed", f"{name} does not consist of commitments", first)
    count = len(octets) // 34
    if count > (TILE if is_full else width):
        raise Wrong("malformed", f"{name} has {count} entries", first)
    if count < width:
        raise Wrong("missing_entry", f"{name} ends before entry {first + count}", first + count)
    return [octets[at + 2 : at + 34] for at in range(0, 34 * width, 34)]


def first_stranger(entries: list[bytes], leaves: list[bytes], first: int) -> Iterator[Complaint]:
    """The first entry that is not the one that the tree commits to, if there is one."""
    for at, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
        if sha256(b"\x00", entry) != leaf:
            yield Complaint("wrong_commitment", f"entry {first + at} is not what the tree commits to", first + at)
            return


# ------------------------------------------------------------------------------------------------- a whole log


def verify_log(source: Source, trust: Trust) -> Verdict:
    """Read everything and hash everything."""
    verdict = Verdict()
    try:
        head = read_head(source, trust)
    except Wrong as wrong:
        verdict.complaints.append(wrong.complaint)
        return verdict
    verdict.head = head
    verdict.complaints += complaints_of_heads(head, trust.last)
    last = None if verdict.complaints else trust.last
    leaves = read_leaves(source, head.size, verdict)
    if len(leaves) == head.size:
        verdict.complaints += complaints_of_tree(source, Pyramid(leaves), head, last)
    verdict.compared = last is not None and verdict.is_well
    return verdict


def read_head(source: Source, trust: Trust) -> Head:
    """The trusted head of a log."""
    try:
        return trusted_head(source.get("checkpoint"), trust)
    except AbsentError as error:
        raise Wrong("unsigned_head", "the log has no head") from error


def read_leaves(source: Source, size: int, verdict: Verdict) -> list[bytes]:
    """All leaf hashes that the tiles have, each compared with its entry."""
    leaves: list[bytes] = []
    for number in range((size + TILE - 1) // TILE):
        row: list[bytes] | None = None
        try:
            row = get_tile(source, 0, number, size)
            leaves += row
        except Wrong as wrong:
            verdict.complaints.append(wrong.complaint)
        try:
            entries = get_bundle(source, number, size)
        except Wrong as wrong:
            verdict.complaints.append(wrong.complaint)
            continue
        if row is not None:
            verdict.entries += len(entries)
            verdict.complaints += first_stranger(entries, row, number * TILE)
    return leaves


def complaints_of_tree(source: Source, tree: Pyramid, head: Head, last: Head | None) -> list[Complaint]:
    """Where the tree over the leaves departs from the tiles above, the head, the last head."""
    try:
        for level in range(1, 8):
            compare_level(source, tree, level, head.size)
    except Wrong as wrong:
        return [wrong.complaint]
    continues = last is None or tree.root(last.size) == last.root
    if tree.root(head.size) != head.root:
        start = last.size if last is not None and continues else 0
        return [difference(start, head.size)]
    if not continues:
        return [Complaint("forked", "the log does not begin with the entries that were verified last")]
    return []


def compare_level(source: Source, tree: Pyramid, level: int, size: int) -> None:
    """Compare all tiles of a level with the nodes that they should have."""
    count = size // TILE**level
    for number in range((count + TILE - 1) // TILE):
        served = get_tile(source, level, number, size)
        own = tree.rows[8 * level][number * TILE : number * TILE + len(served)]
        for at, (one, other) in enumerate(zip(served, own, strict=True)):
            if one != other:
                start = (number * TILE + at) * TILE**level
                found = difference(start, start + TILE**level)
                raise Wrong(found.code, found.sentence, found.index)


def difference(start: int, end: int) -> Complaint:
    """The head commits to another tree."""
    sentence = f"the log is not what its head commits to; the first difference lies in entries {start} to {end - 1}"
    return Complaint("first_difference", sentence, start)


# ------------------------------------------------------------------------------------------------ some entries


class Partly:
    """The tree of a log of which only some leaves are read; of the rest the tiles above are asked."""

    def __init__(self, source: Source, size: int, opened: tuple[int, int], seam: int) -> None:
        """Look at the leaves from the one up to the other bound of `opened`, and split what lies across `seam`."""
        self.source = source
        self.size = size
        self.opened = opened
        self.seam = seam
        self.tiles: dict[tuple[int, int], list[bytes]] = {}

    def tile(self, level: int, number: int) -> list[bytes]:
        """A tile, read once."""
        if (level, number) not in self.tiles:
            self.tiles[level, number] = get_tile(self.source, level, number, self.size)
        return self.tiles[level, number]

    def served(self, height: int, number: int) -> bytes:
        """The complete node `number` of `height`, as the tiles say it."""
        level, above = divmod(height, 8)
        first = number << above
        row = self.tile(level, first // TILE)
        start = first % TILE
        return Pyramid(row[start : start + (1 << above)]).rows[-1][0]

    def is_opened(self, start: int, count: int) -> bool:
        """Whether the leaves from `start` are to be looked at one by one."""
        low, high = self.opened
        return (start < high and low < start + count) or start < self.seam < start + count

    def root(self, count: int, start: int = 0, *, closed: bool = False) -> bytes:
        """The hash over `count` leaves from `start`: of the leaves where opened, else (or if `closed`) as served."""
        if count == 0:
            return sha256()
        is_complete = count & (count - 1) == 0
        height = count.bit_length() - 1
        if is_complete and (closed or count == 1 or not self.is_opened(start, count)):
            return self.served(height, start // count)
        left = power_below(count)
        own = parent(self.root(left, start, closed=closed), self.root(count - left, start + left, closed=closed))
        if is_complete and height % 8 == 0 and own != self.served(height, start // count):
            raise Wrong("first_difference", difference(start, start + count).sentence, start)
        return own


def verify_range(source: Source, trust: Trust, start: int, end: int) -> Verdict:
    """Read the entries from `start` up to and without `end`, and what leads from them to the head."""
    verdict = Verdict()
    try:
        verdict.head = head = read_head(source, trust)
        verdict.complaints += complaints_of_heads(head, trust.last)
        last = None if verdict.complaints else trust.last
        for complaint in complaints_of_range(source, head, last, start, end):
            verdict.complaints.append(complaint)
        verdict.entries = end - start
        verdict.compared = last is not None and verdict.is_well
    except Wrong as wrong:
        verdict.complaints.append(wrong.complaint)
    return verdict


def complaints_of_range(source: Source, head: Head, last: Head | None, start: int, end: int) -> Iterator[Complaint]:
    """What is wrong with some entries, or with the way from them to the head."""
    if not 0 <= start < end <= head.size:
        raise Wrong("missing_entry", f"the log has only {head.size} entries", max(min(start, end), head.size))
    numbers = range(start // TILE, (end + TILE - 1) // TILE)
    opened = (numbers.start * TILE, numbers.stop * TILE)
    tree = Partly(source, head.size, opened, last.size if last is not None else 0)
    if tree.root(head.size) != head.root:
        raise Wrong("first_difference", "the tiles do not lead to the signed head")
    if last is not None and tree.root(last.size, closed=True) != last.root:
        raise Wrong("forked", "the log does not begin with the entries that were verified last")
    for number in numbers:
        first = number * TILE
        low, high = max(start - first, 0), end - first
        entries, leaves = get_bundle(source, number, head.size)[low:high], tree.tile(0, number)[low:high]
        yield from first_stranger(entries, leaves, first + low)


# ----------------------------------------------------------------------------------- canonical JSON (RFC 8785)


def canonical(value: Any) -> str:
    """The one text of a JSON value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > EXACT_INTEGER:
            raise BadFormError("a number that not every reader reads alike")
        return str(value)
    if isinstance(value, float):
        return canonical_number(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(each) for each in value) + "]"
    members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(key)}:{canonical(each)}" for key, each in members) + "}"


def canonical_number(value: float) -> str:
    """A number as ECMAScript writes it (RFC 8785 section 3.2.2.3)."""
    if not math.isfinite(value):
        raise BadFormError("a number that JSON does not have")
    if value == 0:
        return "0"
    sign, digits, point = ("-" if value < 0 else ""), *shortest(abs(value))
    if len(digits) <= point <= 21:  # noqa: PLR2004 - the limits are ECMAScript's
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:  # noqa: PLR2004
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:  # noqa: PLR2004
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def shortest(value: float) -> tuple[str, int]:
    """The fewest digits that say `value`, and how many of them stand before the point."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole + fraction) - len(fraction) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return digits.rstrip("0"), point


# ---------------------------------------------------------------------------------------------- an export file


FORMS = {
    "entry": {"type", "leaf_index", "salt", "entry", "inclusion_proof"},
    "redacted": {"type", "leaf_index", "commitment", "cause", "redacted_at", "inclusion_proof"},
    "head": {"type", "checkpoint", "keys", "filter"},
    "end": {"type", "entries"},
}


def verify_export(lines: Iterable[bytes], trust: Trust) -> Verdict:
    """Verify an export file, a line at a time."""
    export = Export(trust)
    number = 0
    try:
        for number, line in enumerate(lines, 1):  # noqa: B007 - told when a line is wrong
            export.take(json_object(line))
        export.close()
    except BadFormError as error:
        export.complain("malformed", f"line {number}: {error}", None)
    except Wrong as wrong:
        export.verdict.complaints.append(wrong.complaint)
    return export.verdict


class Export:
    """An export file that is being read."""

    def __init__(self, trust: Trust) -> None:
        """Begin before the first line."""
        self.trust = trust
        self.verdict = Verdict()
        self.claims_all = False
        self.is_ended = False
        self.expected = 0

    def complain(self, code: str, sentence: str, index: int | None) -> None:
        """Add a complaint."""
        self.verdict.complaints.append(Complaint(code, sentence, index))

    def take(self, line: dict[str, Any]) -> None:
        """The next line."""
        kind, head = kind_of(line), self.verdict.head
        if self.is_ended:
            raise BadFormError("there is something behind the end")
        if (head is None) != (kind == "head"):
            raise BadFormError("the head is not the first line, and alone")
        if head is None:
            self.open(line)
        elif kind == "end":
            self.end(line, head)
        else:
            self.leaf(line, head)

    def open(self, line: dict[str, Any]) -> None:
        """Trust the head, or not."""
        if not isinstance(line["checkpoint"], str) or not isinstance(line["filter"], dict):
            raise BadFormError("a head of another form")
        self.verdict.head = head = trusted_head(line["checkpoint"].encode("utf-8", "surrogatepass"), self.trust)
        self.verdict.complaints += complaints_of_heads(head, self.trust.last)
        self.claims_all = not any(value is not None for value in line["filter"].values())

    def leaf(self, line: dict[str, Any], head: Head) -> None:
        """Verify an entry, or the commitment of one that is gone."""
        index = count_in(line["leaf_index"])
        committed = committed_by(line)
        path = [hash_in(each) for each in list_in(line["inclusion_proof"])]
        if index < self.expected:
            raise BadFormError("an index out of order")
        if self.claims_all and index > self.expected:
            self.complain("missing_entry", f"entries from {self.expected} are not there", self.expected)
        self.expected = index + 1
        self.verdict.entries += 1
        self.verdict.redacted += line["type"] == "redacted"
        if not is_included(head, index, committed, path):
            self.complain("wrong_commitment", f"entry {index} is not what the log commits to", index)

    def end(self, line: dict[str, Any], head: Head) -> None:
        """Compare what the last line says with what was read."""
        said = count_in(line["entries"])
        self.is_ended = True
        if said != self.verdict.entries or (self.claims_all and self.expected < head.size):
            sentence = f"{said} entries were to be here, {self.verdict.entries} are"
            self.complain("missing_entry", sentence, self.expected)

    def close(self) -> None:
        """Nothing more comes.

        An export shows nothing of the way from a smaller head to its own, so only one of the same size is compared.
        """
        head, last = self.verdict.head, self.trust.last
        if head is None:
            raise BadFormError("the file is empty")
        if not self.is_ended:
            self.complain("missing_entry", "the file was cut off before its end", self.expected)
        self.verdict.compared = last is not None and last.size == head.size and self.verdict.is_well


def json_object(line: bytes) -> dict[str, Any]:
    """The object on a line, read without any choice."""
    if len(line) > MAX_LINE:
        raise BadFormError("a line that is too long")
    try:
        value = json.loads(str(line, "utf-8"), object_pairs_hook=members_once, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadFormError("a line that is not JSON") from error
    if not isinstance(value, dict):
        raise BadFormError("a line that is no object")
    return value


def members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key stands twice."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise BadFormError("a key that stands twice")
    return dict(pairs)


def refuse_constant(word: str) -> NoReturn:
    """NaN and the infinities are not JSON."""
    raise BadFormError(f"{word} is not JSON")


def kind_of(line: dict[str, Any]) -> str:
    """What a line is, once it has the keys of it."""
    kind = line.get("type")
    form = FORMS.get(kind) if isinstance(kind, str) else None
    if form is None or line.keys() - ({"opened"} if kind == "entry" else set()) != form:
        raise BadFormError("a line that is none of an export")
    return str(kind)


def is_included(head: Head, index: int, committed: bytes, path: list[bytes]) -> bool:
    """Whether the path leads from the commitment to the root of the head."""
    try:
        return root_by_path(index, head.size, sha256(b"\x00", committed), path) == head.root
    except BadFormError:
        return False


def committed_by(line: dict[str, Any]) -> bytes:
    """The commitment of an entry, or what is left of one that is gone."""
    if line["type"] == "entry":
        return sha256(hash_in(line["salt"]), canonical_entry(line["entry"]))
    if line["cause"] not in ("retention", "erasure") or not isinstance(line["redacted_at"], str):
        raise BadFormError("a redacted entry without cause or time")
    return hash_in(line["commitment"])


def canonical_entry(value: Any) -> bytes:
    """The octets of an entry that are committed to."""
    if not isinstance(value, dict):
        raise BadFormError("an entry that is no object")
    try:
        return canonical(value).encode("utf-8")
    except (UnicodeEncodeError, RecursionError) as error:
        raise BadFormError("an entry that has no canonical form") from error


def hash_in(value: Any) -> bytes:
    """32 octets in base64."""
    octets = strict_base64(value) if isinstance(value, str) else b""
    if len(octets) != 32:  # noqa: PLR2004 - SHA-256, and a salt
        raise BadFormError("something else than 32 octets in base64")
    return octets


def count_in(value: Any) -> int:
    """A number of entries."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise BadFormError("something else than a number of entries")
    return value


def list_in(value: Any) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise BadFormError("something else than a list")
    return value


# ------------------------------------------------------------------------------------------------ command line


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = options.add_mutually_exclusive_group(required=True)
    source.add_argument("--url", help="HTTPS prefix of the log")
    source.add_argument("--folder", type=Path, help="folder with the log's files")
    source.add_argument("--export", type=Path, help="export file")
    options.add_argument("--ca", type=Path, help="PEM file of the authority that vouches for the server")
    options.add_argument("--key", action="append", default=[], help="key of the log or of a witness; may be repeated")
    options.add_argument("--key-file", type=Path, help="file with such keys, one a line")
    options.add_argument("--range", type=bounds, help="only the entries A to B, both included", metavar="A-B")
    options.add_argument("--last-head", type=Path, help="file that keeps the newest head that was verified")
    options.add_argument("--witnesses", type=int, default=0, help="how many witnesses must have cosigned the head")
    options.add_argument("--json", action="store_true", help="write JSON")
    return options


def bounds(text: str) -> tuple[int, int]:
    """`A-B`, both included, as start and end."""
    found = re.fullmatch(r"([0-9]{1,19})-([0-9]{1,19})", text, re.ASCII)
    if found is None or int(found[1]) > int(found[2]):
        raise argparse.ArgumentTypeError("must be A-B with A not larger than B")
    return int(found[1]), int(found[2]) + 1


def require_usable(options: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if options.export is not None and options.range is not None:
        raise BadFormError("a range is verified of a log, not of an export")
    if options.witnesses < 0:
        raise BadFormError("--witnesses is a number")


def keys_of(options: argparse.Namespace) -> tuple[Key, ...]:
    """The keys that the operator names; without one there is nothing to verify by."""
    lines = list(options.key)
    if options.key_file is not None:
        lines += options.key_file.read_text(encoding="utf-8").split("\n")
    words = [line.strip() for line in lines]
    keys = tuple(Key.from_text(word) for word in words if word and not word.startswith("#"))
    if not any(key.kind == OF_LOG for key in keys):
        raise BadFormError(
            "name the log's key with --key or --key-file; where to get it, ask the operator, not the log"
        )
    return keys


def last_head_of(file: Path | None) -> Head | None:
    """The head that was kept; a file that is there and no head is never taken for none."""
    if file is None or not file.exists():
        return None
    return head_in(split_note(file.read_bytes())[0])


def keep_head(file: Path, head: Head) -> None:
    """Replace the kept head in one step."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=".head")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(head.note)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        raise


def verify(options: argparse.Namespace, trust: Trust) -> Verdict:
    """Verify what the options name."""
    if options.export is not None:
        with options.export.open("rb") as stream:
            return verify_export(iter(lambda: stream.readline(MAX_LINE + 1), b""), trust)
    if options.folder is not None:
        return verify_source(Folder(options.folder), options, trust)
    with contextlib.closing(Https(options.url, options.ca)) as source:
        return verify_source(source, options, trust)


def verify_source(source: Source, options: argparse.Namespace, trust: Trust) -> Verdict:
    """Verify a log, or the range of it that the options name."""
    if options.range is not None:
        return verify_range(source, trust, *options.range)
    return verify_log(source, trust)


def may_keep(options: argparse.Namespace, trust: Trust, verdict: Verdict) -> bool:
    """Whether the head is seen to continue the one that is kept, so that it may take its place."""
    return options.last_head is not None and verdict.is_well and (trust.last is None or verdict.compared)


def report(verdict: Verdict, *, as_json: bool) -> None:
    """Tell what was found."""
    head = verdict.head
    content = {
        "well": verdict.is_well,
        "origin": head.origin if head else None,
        "size": head.size if head else None,
        "root": head.root.hex() if head else None,
        "witnesses": list(head.witnesses) if head else [],
        "entries": verdict.entries,
        "redacted": verdict.redacted,
        "continues_last_head": verdict.compared,
        "findings": [
            {"code": each.code, "sentence": each.sentence, "index": each.index} for each in verdict.complaints
        ],
    }
    if as_json:
        sys.stdout.write(json.dumps(content) + "\n")
        return
    if head:
        sys.stdout.write(f"head: {head.origin!a}, {head.size} entries, root {head.root.hex()}\n")
    for each in verdict.complaints:
        sys.stdout.write(f"WRONG ({each.code}): {ascii(each.sentence)[1:-1]}\n")
    sys.stdout.write(f"{verdict.entries} entries verified, {'all is well' if verdict.is_well else 'NOT well'}\n")


def main(arguments: list[str]) -> int:
    """Run, and answer the exit status."""
    options = parser().parse_args(arguments)
    try:
        require_usable(options)
        trust = Trust(keys_of(options), last_head_of(options.last_head), options.witnesses)
        verdict = verify(options, trust)
        if verdict.head is not None and may_keep(options, trust, verdict):
            keep_head(options.last_head, verdict.head)
    except BadFormError as error:
        sys.stderr.write(f"{ascii(str(error))[1:-1]}\n")
        return USAGE
    except (OSError, UnreadableError, UnicodeDecodeError) as error:
        sys.stderr.write(f"cannot read: {ascii(str(error))[1:-1]}\n")
        return UNREADABLE
    report(verdict, as_json=options.json)
    return ALL_WELL if verdict.is_well else WRONG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
