"""A log in a folder, written for tests only and without `shared.tlog`: tiles, entry bundles, signed heads, exports."""

import base64
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.tlog import reference

ORIGIN = "ironflock.test/audit"
WIDTH = 256


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def group(number: int, width: int = WIDTH) -> str:
    text = f"{number:03d}" if number < 1000 else f"x{number // 1000:03d}/{number % 1000:03d}"
    return text if width == WIDTH else f"{text}.p/{width}"


class NoteKey:
    """A note key made from one octet; `kind` 1 is a log's key, 4 a witness's."""

    def __init__(self, seed: int, name: str = ORIGIN, kind: int = 1) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.name, self.kind = name, kind
        self.material = bytes([kind]) + self.private.public_key().public_bytes_raw()
        self.key_id = sha256(name.encode() + b"\n" + self.material).digest()[:4]
        self.vkey = f"{name}+{self.key_id.hex()}+{b64(self.material)}"

    def line(self, text: str, *, time: int = 1_700_000_000) -> str:
        if self.kind == 1:
            return self._line(self.private.sign(text.encode()))
        signed = self.private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        return self._line(time.to_bytes(8, "big") + signed)

    def _line(self, signature: bytes) -> str:
        return f"— {self.name} {b64(self.key_id + signature)}\n"


LOG_KEY = NoteKey(1)
OLD_LOG_KEY = NoteKey(2)
WITNESS_KEY = NoteKey(3, "witness.test/w1", 4)


def head(size: int, root: bytes, *keys: NoteKey, origin: str = ORIGIN) -> str:
    text = f"{origin}\n{size}\n{b64(root)}\n"
    return text + "\n" + "".join(key.line(text) for key in keys)


class LogFolder:
    """`entries` with their salts; `write` makes the folder say so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, Any]] = []

    def add(self, count: int, *, flavour: str = "plain") -> "LogFolder":
        for number in range(len(self.entries), len(self.entries) + count):
            self.entries.append(
                {"id": number + 1, "action": "device.renamed", "after": {"name": f"{flavour} {number}"}}
            )
        return self

    @property
    def size(self) -> int:
        return len(self.entries)

    def salt(self, index: int) -> bytes:
        return sha256(f"salt {index}".encode()).digest()

    def commitment(self, index: int) -> bytes:
        text = json.dumps(self.entries[index], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(self.salt(index) + text.encode()).digest()

    def commitments(self) -> list[bytes]:
        return [self.commitment(index) for index in range(self.size)]

    def root(self, size: int | None = None) -> bytes:
        return reference.tree_hash(self.commitments()[:size])

    def head(self, *keys: NoteKey) -> str:
        return head(self.size, self.root(), *(keys or (LOG_KEY,)))

    def write(self, *keys: NoteKey) -> "LogFolder":
        """Tiles, bundles and the head of what the log holds now."""
        self.write_head(self.head(*keys))
        data = self.commitments()
        level, hashes = 0, [sha256(b"\x00" + each).digest() for each in data]
        while hashes:
            self._write_rows(str(level), hashes)
            level, hashes = level + 1, [_over_tile(hashes[at : at + WIDTH]) for at in _full(hashes)]
        self._write_rows("entries", [b"\x00\x20" + each for each in data])
        return self

    def write_head(self, note: str) -> None:
        self.put("checkpoint", note.encode())

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def alter(self, path: str, change: Callable[[bytes], bytes]) -> None:
        file = self.folder / path
        file.write_bytes(change(file.read_bytes()))

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()

    def _write_rows(self, name: str, rows: list[bytes]) -> None:
        for at in range(0, len(rows), WIDTH):
            part = rows[at : at + WIDTH]
            self.put(f"tile/{name}/{group(at // WIDTH, len(part))}", b"".join(part))

    def export(
        self,
        *,
        indexes: list[int] | None = None,
        chosen: Mapping[str, Any] | None = None,
        redacted: tuple[int, ...] = (),
    ) -> list[dict[str, Any]]:
        """The lines of an export file of `indexes` (of all)."""
        wanted = list(range(self.size)) if indexes is None else indexes
        first = {"type": "head", "checkpoint": self.head(), "keys": [LOG_KEY.vkey], "filter": chosen or {}}
        lines = [self._line(index, is_redacted=index in redacted) for index in wanted]
        return [first, *lines, {"type": "end", "entries": len(lines)}]

    def _line(self, index: int, *, is_redacted: bool) -> dict[str, Any]:
        proof = [b64(each) for each in reference.path(index, self.commitments())]
        place = {"leaf_index": index, "inclusion_proof": proof}
        if is_redacted:
            gone = {"cause": "retention", "redacted_at": "2026-11-25T00:00:00.000000Z"}
            return {"type": "redacted", "commitment": b64(self.commitment(index)), **gone, **place}
        return {"type": "entry", "salt": b64(self.salt(index)), "entry": self.entries[index], **place}


def _full(hashes: list[bytes]) -> range:
    return range(0, len(hashes) - WIDTH + 1, WIDTH)


def _over_tile(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [
            sha256(b"\x01" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)
        ]
    return hashes[0]


def as_lines(lines: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines]
