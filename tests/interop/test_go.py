"""Go's implementations verify our notes, proofs, roots and tiles, and make notes that we verify.

They are `golang.org/x/mod/sumdb/{note,tlog}`, `github.com/transparency-dev/merkle` and, for cosignatures,
`github.com/transparency-dev/formats`, fetched by Go's own client at the versions that `go/go.sum` pins.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random  # noqa: TID251 - the same sizes in every run
from typing import Any

from shared.tlog.checkpoint import Checkpoint, open_checkpoint
from shared.tlog.contents import bundle_octets, tile_octets
from shared.tlog.cosignature import Cosigner, cosigned_by
from shared.tlog.hashing import leaf_hash
from shared.tlog.layout import Tile, bundle_at, tiles
from shared.tlog.note import Signer, VerifierKey
from shared.tlog.proof import assemble, consistency_nodes, inclusion_nodes
from shared.tlog.tree import CompactRange, NodeId
from tests.interop.asking import Ask, b64
from tests.unit.tlog.log_folder import LogFolder

SIGNER, NEXT = Signer.from_seed("ironflock.test/audit", b"a" * 32), Signer.from_seed("ironflock.test/audit", b"b" * 32)
COSIGNER = Cosigner.from_seed("witness.test/w", b"w" * 32)
DATA = [number.to_bytes(4, "big") * 8 for number in range(1500)]


def hashes_of(data: Sequence[bytes]) -> tuple[CompactRange, dict[NodeId, bytes]]:
    tree = CompactRange()
    made = tree.extend(leaf_hash(each) for each in data)
    return tree, {NodeId(node.level, node.index): node.hash for node in made}


_, HASHES = hashes_of(DATA)


def root(size: int) -> bytes:
    return hashes_of(DATA[:size])[0].root


def inclusion(index: int, size: int) -> dict[str, Any]:
    proof = assemble(inclusion_nodes(index, size), HASHES.__getitem__)
    leaf = b64(leaf_hash(DATA[index]))
    return {"index": index, "size": size, "leaf": leaf, "proof": [b64(each) for each in proof], "root": b64(root(size))}


def consistency(size1: int, size2: int) -> dict[str, Any]:
    proof = [b64(each) for each in assemble(consistency_nodes(size1, size2), HASHES.__getitem__)]
    return {"size1": size1, "size2": size2, "proof": proof, "root1": b64(root(size1)), "root2": b64(root(size2))}


def test_go_verifies_our_notes_and_refuses_what_we_did_not_sign(ask: Ask) -> None:
    checkpoint = Checkpoint("ironflock.test/audit", 7, b"r" * 32)
    note = checkpoint.signed([SIGNER, NEXT]).with_signatures(
        [COSIGNER.cosign(checkpoint.text, timestamp=1_700_000_000)]
    )
    text = note.octets.decode()
    keys = {"log_keys": [SIGNER.verifier_key.text], "witnesses": [COSIGNER.verifier_key.text]}
    both = {**keys, "log_keys": [SIGNER.verifier_key.text, NEXT.verifier_key.text]}

    answer = ask(
        notes=[
            {"note": text, **keys},
            {"note": text, **both},
            {"note": text.replace("\n7\n", "\n8\n"), **keys},
            {"note": text, "log_keys": [], "witnesses": []},
        ]
    )

    assert answer["notes"][:2] == ["2 verified", "3 verified"]
    assert all("verified" not in refused for refused in answer["notes"][2:])


def test_we_verify_the_notes_that_go_makes(ask: Ask) -> None:
    texts = [Checkpoint(f"go.test/log{size}", size, b"r" * 32).text for size in (0, 1, 2**40)]

    for text, made in zip(texts, ask(sign=texts)["signed"], strict=True):
        log, witness = VerifierKey.parse(made["log_key"]), VerifierKey.parse(made["witness_key"])
        opened = open_checkpoint(made["note"].encode(), [log])

        assert opened.checkpoint.text == text
        assert opened.note.octets == made["note"].encode()
        assert [each.key for each in cosigned_by(opened.note, [witness])] == [witness]


def test_go_computes_the_same_roots(ask: Ask) -> None:
    chance = Random(6962)  # noqa: S311 - sizes, not secrets
    sizes = [*range(20), *(chance.randint(20, len(DATA)) for _ in range(20))]

    answer = ask(leaves=[[b64(each) for each in DATA[:size]] for size in sizes])

    assert answer["roots"] == [b64(root(size)) for size in sizes]


def test_go_accepts_our_proofs_of_random_sizes_and_refuses_them_once_altered(ask: Ask) -> None:
    chance = Random(9162)  # noqa: S311 - sizes, not secrets
    sizes = [chance.randint(2, len(DATA)) for _ in range(100)]
    included = [inclusion(chance.randrange(size), size) for size in sizes]
    consistent = [consistency(chance.randint(1, size - 1), size) for size in sizes]
    altered = [{**each, "proof": each["proof"][:-1]} for each in (*included, *consistent)]

    good = ask(inclusion=included, consistency=consistent)
    bad = ask(inclusion=altered[:100], consistency=altered[100:])

    assert set(good["inclusion"]) == set(good["consistency"]) == {""}
    # A proof of one hash may be empty and right for a smaller tree, never for this one.
    assert "" not in bad["inclusion"]
    assert "" not in bad["consistency"]


def write_with_our_own(folder: Path, size: int) -> bytes:
    tree, hashes = hashes_of(DATA[:size])
    for tile in tiles(size):
        row = [hashes[NodeId(8 * tile.level, tile.index * 256 + at)] for at in range(tile.width)]
        put(folder / tile.path, tile_octets(row))
    for index in range(-(-size // 256)):
        bundle = bundle_at(index, size)
        put(folder / bundle.path, bundle_octets(DATA[index * 256 : index * 256 + bundle.width]))
    return tree.root


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_go_reads_our_tiles_and_finds_what_was_altered(ask: Ask, tmp_path: Path) -> None:
    sizes = (1, 255, 256, 257, 700, 1500)
    roots = {size: write_with_our_own(tmp_path / str(size), size) for size in sizes}
    asked = [{"folder": str(tmp_path / str(size)), "size": size, "root": b64(roots[size])} for size in sizes]
    assert ask(tiles=asked)["tiles"] == [""] * len(sizes)

    altered = tmp_path / "1500" / Tile(0, 2).path
    altered.write_bytes(b"x" + altered.read_bytes()[1:])

    assert "downloaded inconsistent tile" in ask(tiles=asked)["tiles"][-1]


def test_go_reads_the_tiles_that_our_tests_write(ask: Ask, tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(600).write()

    assert ask(tiles=[{"folder": str(tmp_path), "size": 600, "root": b64(log.root())}])["tiles"] == [""]
