"""Checkpoints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.checkpoint import Checkpoint, open_checkpoint, parse_size
from shared.tlog.errors import BadSignatureError, MalformedError, UnsignedError
from shared.tlog.note import SignedNote, Signer
from shared.tlog.tree import MAX_TREE_SIZE

EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
OLD, NEW = Signer.from_seed("log.test/a", b"o" * 32), Signer.from_seed("log.test/a", b"n" * 32)
HEAD = Checkpoint("log.test/a", 7, b"r" * 32)


def test_the_example_of_tlog_checkpoint_parses_and_comes_back() -> None:
    found = Checkpoint.parse(EXAMPLE)

    assert (found.origin, found.size, len(found.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert found.text == EXAMPLE


@given(
    size=st.integers(min_value=0, max_value=MAX_TREE_SIZE),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8), max_size=3),
)
def test_parse_inverts_text(size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint("o", size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\n\nx\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
        f"o\n\u0661\n{ROOT}\n",
        f"o\n{MAX_TREE_SIZE + 1}\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT[:-2]}J=\n",
        "o\n1\nAAAA\n",
        f"{'o' * 256}\n1\n{ROOT}\n",
        f"o\x07\n1\n{ROOT}\n",
        f"o\n1\n{ROOT}\nx\x07\n",
        f"\ud800\n1\n{ROOT}\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, b"r" * 32),
        Checkpoint("o", -1, b"r" * 32),
        Checkpoint("o", 1, b"r"),
        Checkpoint("o", 1, b"r" * 32, ("",)),
    ],
)
def test_what_could_not_be_read_back_is_not_written(checkpoint: Checkpoint) -> None:
    with pytest.raises(MalformedError):
        _ = checkpoint.text


def test_zero_is_a_size() -> None:
    assert parse_size("0") == 0


def test_while_keys_rotate_either_key_opens_the_checkpoint() -> None:
    octets = HEAD.signed([OLD, NEW]).octets

    for keys in ([OLD.verifier_key], [NEW.verifier_key], [OLD.verifier_key, NEW.verifier_key]):
        opened = open_checkpoint(octets, keys)
        assert opened.checkpoint == HEAD
        assert opened.signers == tuple(keys)


def test_a_checkpoint_of_another_log_is_unsigned() -> None:
    other = Signer.from_seed("log.test/other", b"x" * 32)

    with pytest.raises(UnsignedError):
        open_checkpoint(HEAD.signed([other]).octets, [other.verifier_key])


def test_a_forged_checkpoint_is_refused() -> None:
    honest = HEAD.signed([OLD])
    forged = SignedNote(Checkpoint("log.test/a", 8, b"r" * 32).text, honest.signatures)

    with pytest.raises(BadSignatureError):
        open_checkpoint(forged.octets, [OLD.verifier_key])
    with pytest.raises(MalformedError):
        open_checkpoint(SignedNote("x\n", (OLD.sign("x\n"),)).octets, [OLD.verifier_key])
