"""Heads are signed by every active key."""

from datetime import UTC, datetime

from services.audit.records import Head
from services.audit.settings import LogKeys
from services.audit.signing import Notary
from shared.tlog.checkpoint import open_checkpoint
from shared.tlog.note import Signer

OLD, NEW = (Signer.from_seed("log.example", bytes([at]) * 32) for at in (1, 2))
KEYS = (OLD.verifier_key, NEW.verifier_key)


def head(note: str) -> Head:
    return Head(1, 3, b"r" * 32, note, datetime(2026, 11, 25, tzinfo=UTC))


def test_one_key_signs() -> None:
    note = Notary("log.example", LogKeys((OLD,), KEYS)).sign(3, b"r" * 32)

    opened = open_checkpoint(note.encode(), KEYS)
    assert (opened.checkpoint.origin, opened.checkpoint.size, opened.checkpoint.root) == ("log.example", 3, b"r" * 32)
    assert opened.signers == (OLD.verifier_key,)


def test_two_keys_sign_in_the_overlap() -> None:
    notary = Notary("log.example", LogKeys((OLD, NEW), KEYS))

    assert open_checkpoint(notary.sign(3, b"r" * 32).encode(), KEYS).signers == KEYS
    assert notary.key_texts == [key.text for key in KEYS]


def test_a_head_that_a_new_key_has_not_signed_is_not_current() -> None:
    before, overlap = Notary("log.example", LogKeys((OLD,), KEYS)), Notary("log.example", LogKeys((OLD, NEW), KEYS))

    assert before.is_current(head(before.sign(3, b"r" * 32)))
    assert not overlap.is_current(head(before.sign(3, b"r" * 32)))
    assert before.is_current(head(overlap.sign(3, b"r" * 32)))
