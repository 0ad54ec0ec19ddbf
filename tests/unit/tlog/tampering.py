# ruff: noqa: E501 - one case a line
"""What can be done to a log and to an export file, and what a verifier has to say to it. Both verifiers are asked."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from tests.unit.tlog.log_folder import (
    LOG_KEY,
    OLD_LOG_KEY,
    ORIGIN,
    WITNESS_KEY,
    LogFolder,
    NoteKey,
    as_lines,
    b64,
    head,
)

STRANGER = NoteKey(9, "stranger.test/log")
Found = tuple[str, int | None]
LAST_BUNDLE, LAST_TILE, ABOVE = "tile/entries/002.p/88", "tile/0/002.p/88", "tile/1/000.p/2"


@frozen
class Tampering:
    """`tamper` is done to a good log of `size` entries; `last` is the size at which a head was kept, if one was."""

    name: str
    size: int
    expected: tuple[Found, ...]
    tamper: Callable[[LogFolder], None] = lambda log: None
    last: int | None = None
    kept: str | None = None
    witnesses: int = 0


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda octets: octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def swap(at: int, other: int, length: int) -> Callable[[bytes], bytes]:
    """Exchange the `length` octets at two places; `at` lies before `other`."""

    def change(octets: bytes) -> bytes:
        one, two = octets[at : at + length], octets[other : other + length]
        return octets[:at] + two + octets[at + length : other] + one + octets[other + length :]

    return change


def alter(path: str, change: Callable[[bytes], bytes]) -> Callable[[LogFolder], None]:
    return lambda log: log.alter(path, change)


def remove(*paths: str) -> Callable[[LogFolder], None]:
    def tamper(log: LogFolder) -> None:
        for path in paths:
            log.remove(path)

    return tamper


def put(path: str, content: bytes) -> Callable[[LogFolder], None]:
    return lambda log: log.put(path, content)


def note(text: Callable[[LogFolder], str]) -> Callable[[LogFolder], None]:
    return lambda log: log.write_head(text(log))


def rewritten(index: int, *, signed: bool, tiles: bool = True) -> Callable[[LogFolder], None]:
    """An entry is another one; all tiles follow, or those of level 0 only; the head is signed anew or is the old one."""

    def tamper(log: LogFolder) -> None:
        before = {path: (log.folder / path).read_bytes() for path in ("checkpoint", "tile/1/000.p/2")}
        log.entries[index] = {"id": index + 1, "action": "nothing.happened"}
        log.write()
        if not signed:
            log.put("checkpoint", before["checkpoint"])
        if not tiles:
            log.put("tile/1/000.p/2", before["tile/1/000.p/2"])

    return tamper


def cut(size: int) -> Callable[[LogFolder], None]:
    """The newest entries are gone, and the head is signed for what is left."""

    def tamper(log: LogFolder) -> None:
        del log.entries[size:]
        log.write()

    return tamper


def extended(log: LogFolder) -> str:
    text = f"{ORIGIN}\n{log.size}\n{b64(log.root())}\nextension\n"
    return text + "\n" + LOG_KEY.line(text)


def _emptied(log: LogFolder) -> None:
    log.entries.clear()
    log.write()


def _alter_two(log: LogFolder) -> None:
    log.alter("tile/entries/000", flip(34 * 3 + 2))
    log.alter(LAST_BUNDLE, flip(34 + 2))


def _grown_on(log: LogFolder, *, cut: bool = False) -> None:
    """The log goes on to 800 entries and deletes the partial tiles, but its head is still the one of 600."""
    before = log.head()
    log.add(200).write()
    log.write_head(before)
    log.remove(LAST_TILE)
    log.remove(LAST_BUNDLE)
    if cut:
        log.alter("tile/0/002", lambda octets: octets[:-32])


def good(size: int, last: int | None = None) -> Tampering:
    return Tampering(f"good_{size}_{last}", size, (), last=last)


MISSING, MALFORMED, WRONG, DIFFERENT = "missing_entry", "malformed", "wrong_commitment", "first_difference"

LOGS = [
    *(good(size) for size in (0, 1, 2, 3, 255, 256, 257, 511, 512, 600)),
    *(good(600, last) for last in (0, 1, 255, 256, 257, 512, 599, 600)),
    good(65_536 + 300, 65_536),
    # the head
    Tampering("no_head", 3, (("unsigned_head", None),), remove("checkpoint")),
    Tampering("head_is_no_note", 3, ((MALFORMED, None),), put("checkpoint", b"hello\n")),
    Tampering("head_is_no_checkpoint", 3, ((MALFORMED, None),), note(lambda log: "x\n\n" + LOG_KEY.line("x\n"))),
    Tampering("head_of_an_unknown_key", 3, (("unsigned_head", None),), note(lambda log: log.head(OLD_LOG_KEY))),
    Tampering("head_of_another_log", 3, (("unsigned_head", None),), note(lambda log: head(3, log.root(), LOG_KEY, origin="other.test/log"))),
    Tampering("head_of_a_witness_alone", 3, (("unsigned_head", None),), note(lambda log: log.head(WITNESS_KEY))),
    Tampering("head_with_an_unknown_signature", 3, (), note(lambda log: log.head(STRANGER, LOG_KEY))),
    Tampering("head_altered", 3, (("bad_signature", None),), alter("checkpoint", lambda octets: octets.replace(b"\n3\n", b"\n2\n"))),
    Tampering("cosignature_forged", 3, (("bad_signature", None),), note(lambda log: log.head() + WITNESS_KEY.line("other\n"))),
    Tampering("cosigned", 3, (), note(lambda log: log.head(LOG_KEY, WITNESS_KEY)), witnesses=1),
    Tampering("not_cosigned", 3, (("unsigned_head", None),), witnesses=1),
    Tampering("head_extended", 3, ((MALFORMED, None),), note(extended)),
    # heads compared
    Tampering("newest_cut_off", 600, (("older_than_last_head", None),), cut(500), last=600),
    Tampering("emptied", 600, (("older_than_last_head", None),), _emptied, last=600),
    Tampering("two_heads_of_one_size", 600, (("forked", None),), rewritten(3, signed=True), last=600),
    Tampering("history_rewritten", 600, (("forked", None),), rewritten(3, signed=True), last=500),
    Tampering("history_rewritten_unseen_before", 600, (), rewritten(590, signed=True), last=500),
    Tampering("last_head_of_another_log", 600, (("forked", None),), kept=head(3, b"r" * 32, LOG_KEY, origin="other.test/log")),
    # entries
    Tampering("entry_altered", 600, ((WRONG, 3),), alter("tile/entries/000", flip(34 * 3 + 2))),
    Tampering("entries_altered_in_two_bundles", 600, ((WRONG, 3), (WRONG, 513)), _alter_two),
    Tampering("entries_swapped", 600, ((WRONG, 10),), alter("tile/entries/000", swap(34 * 10, 34 * 20, 34))),
    Tampering("last_entry_cut_off", 600, ((MISSING, 599),), alter(LAST_BUNDLE, lambda octets: octets[:-34])),
    Tampering("last_entry_cut_within", 600, ((MALFORMED, 512),), alter(LAST_BUNDLE, lambda octets: octets[:-1])),
    Tampering("entry_added", 600, ((MALFORMED, 512),), alter(LAST_BUNDLE, lambda octets: octets + b"\x00\x20" + b"x" * 32)),
    Tampering("entry_added_to_a_full_bundle", 600, ((MALFORMED, 0),), alter("tile/entries/000", lambda octets: octets + octets[:34])),
    Tampering("entry_of_another_length", 600, ((MALFORMED, 0),), alter("tile/entries/000", lambda octets: b"\x00\x00" + octets[34:])),
    Tampering("bundle_gone", 600, ((MISSING, 256),), remove("tile/entries/001")),
    Tampering("partial_bundle_gone", 600, ((MISSING, 512),), remove(LAST_BUNDLE)),
    Tampering("bundle_emptied", 600, ((MISSING, 256),), put("tile/entries/001", b"")),
    # tiles
    Tampering("tile_gone", 600, ((MISSING, 256),), remove("tile/0/001")),
    Tampering("partial_tile_gone", 600, ((MISSING, 512),), remove(LAST_TILE)),
    Tampering("tile_cut", 600, ((MALFORMED, 256),), alter("tile/0/001", lambda octets: octets[:-32])),
    Tampering("tile_longer", 600, ((MALFORMED, 512),), alter(LAST_TILE, lambda octets: octets + b"x")),
    Tampering("leaf_altered", 600, ((WRONG, 258), (DIFFERENT, 256)), alter("tile/0/001", flip(64))),
    Tampering("leaf_of_the_border_altered", 600, ((WRONG, 513), (DIFFERENT, 0)), alter(LAST_TILE, flip(32))),
    Tampering("leaf_of_the_border_altered_after_last", 600, ((WRONG, 513), (DIFFERENT, 512)), alter(LAST_TILE, flip(32)), last=512),
    Tampering("tile_above_gone", 600, ((MISSING, 0),), remove(ABOVE)),
    Tampering("tile_above_cut", 600, ((MALFORMED, 0),), alter(ABOVE, lambda octets: octets[:-1])),
    Tampering("tile_above_altered", 600, ((DIFFERENT, 256),), alter(ABOVE, flip(40))),
    Tampering("entry_and_leaf_altered", 600, ((DIFFERENT, 256),), rewritten(300, signed=False, tiles=False)),
    Tampering("all_tiles_follow_but_the_head", 600, ((DIFFERENT, 0),), rewritten(300, signed=False)),
    Tampering("all_tiles_follow_but_the_head_after_last", 600, ((DIFFERENT, 256),), rewritten(300, signed=False), last=256),
    Tampering("all_tiles_follow_but_the_head_before_last", 600, ((DIFFERENT, 0),), rewritten(300, signed=False), last=400),
    # what a log may do
    Tampering("partial_tiles_replaced_by_full_ones", 600, (), _grown_on),
    Tampering("full_tile_instead_is_cut", 600, ((MALFORMED, 512),), lambda log: _grown_on(log, cut=True)),
]  # fmt: skip


@frozen
class BadExport:
    """`tamper` is done to the lines of an export file of a log of nine entries."""

    name: str
    expected: tuple[Found, ...]
    tamper: Callable[[list[dict[str, Any]]], Any] = lambda lines: lines
    arguments: Mapping[str, Any] = {}
    last: int | None = None
    fork: bool = False
    raw: Callable[[list[bytes]], list[bytes]] = lambda lines: lines
    witnesses: int = 0


def edit(line: int, **changes: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda lines: lines[line].update(changes)


def drop(line: int, key: str) -> Callable[[list[dict[str, Any]]], None]:
    return lambda lines: [lines[line].pop(key)].clear()


def without(*numbers: int, entries: int | None = None) -> Callable[[list[dict[str, Any]]], None]:
    def tamper(lines: list[dict[str, Any]]) -> None:
        for number in sorted(numbers, reverse=True):
            del lines[number]
        if entries is not None:
            lines[-1]["entries"] = entries

    return tamper


def exchange(lines: list[dict[str, Any]]) -> None:
    lines[3]["entry"], lines[4]["entry"] = lines[4]["entry"], lines[3]["entry"]


def reorder(lines: list[dict[str, Any]]) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def text(old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [line.replace(old, new) for line in lines]


SOME: dict[str, Any] = {"indexes": [1, 4, 7], "chosen": {"project": 3}}
ALL_NULL: dict[str, Any] = {"chosen": {"project": None, "since": None}}
GONE: dict[str, Any] = {"redacted": (2, 5)}
ONE = ((MALFORMED, None),)

EXPORTS = [
    BadExport("good", ()),
    BadExport("good_filtered", (), arguments=SOME),
    BadExport("good_null_filter", (), arguments=ALL_NULL),
    BadExport("good_redacted", (), arguments=GONE),
    BadExport("good_opened", (), edit(2, opened={"address": "10.0.0.1"})),
    BadExport("good_last", (), last=9),
    BadExport("good_older_last", (), last=4),
    BadExport("good_none_chosen", (), arguments={"indexes": [], "chosen": {"project": 3}}),
    BadExport("older_than_last", (("older_than_last_head", None),), last=12),
    BadExport("forked", (("forked", None),), last=9, fork=True),
    BadExport("not_cosigned", (("unsigned_head", None),), witnesses=1),
    BadExport("entry_altered", ((WRONG, 2),), edit(3, entry={"id": 3, "action": "nothing.happened"})),
    BadExport("entry_of_strange_numbers", ((WRONG, 2),), edit(3, entry={"a": [1.5, 1e21, -0.0, 1e-7, 5e-324, True, None]})),
    BadExport("entry_of_strange_text", ((WRONG, 2),), edit(3, entry={"\U0001f600": '\b\u2028\\"\x1f', "\ufb33": {}})),
    BadExport("salt_altered", ((WRONG, 2),), edit(3, salt=b64(b"x" * 32))),
    BadExport("entries_exchanged", ((WRONG, 2), (WRONG, 3)), exchange),
    BadExport("commitment_altered", ((WRONG, 2),), edit(3, commitment=b64(b"x" * 32)), arguments=GONE),
    BadExport("proof_altered", ((WRONG, 2),), edit(3, inclusion_proof=[b64(b"x" * 32)] * 4)),
    BadExport("proof_cut", ((WRONG, 2),), lambda lines: lines[3]["inclusion_proof"].pop()),
    BadExport("proof_longer", ((WRONG, 2),), lambda lines: lines[3]["inclusion_proof"].append(b64(b"x" * 32))),
    BadExport("index_beyond_the_log", ((WRONG, 99),), edit(3, leaf_index=99), arguments=SOME),
    BadExport("entry_left_out", ((MISSING, 2),), without(3, entries=8)),
    BadExport("entry_left_out_uncounted", ((MISSING, 2), (MISSING, 9)), without(3)),
    BadExport("newest_left_out", ((MISSING, 7),), without(8, 9, entries=7)),
    BadExport("filtered_entry_left_out", ((MISSING, 8),), without(2), arguments=SOME),
    BadExport("end_left_out", ((MISSING, 9),), without(10)),
    BadExport("only_the_head", ((MISSING, 0),), without(*range(1, 11))),
    BadExport("nothing", ((MALFORMED, None),), without(*range(11))),
    BadExport("entries_in_another_order", ((MISSING, 2), (MALFORMED, None)), reorder),
    BadExport("entry_twice", ONE, lambda lines: lines.insert(3, lines[2])),
    BadExport("two_ends", ONE, lambda lines: lines.append(lines[-1])),
    BadExport("two_heads", ONE, lambda lines: lines.insert(1, lines[0])),
    BadExport("no_head", ONE, without(0)),
    BadExport("head_altered", (("bad_signature", None),), raw=text(b"audit\\n9\\n", b"audit\\n8\\n")),
    BadExport("head_no_note", ONE, edit(0, checkpoint="x")),
    BadExport("head_surrogate", ONE, edit(0, checkpoint="?"), raw=text(b'"?"', b'"\\ud800"')),
    BadExport("head_no_text", ONE, edit(0, checkpoint=7)),
    BadExport("head_of_a_stranger", (("unsigned_head", None),), edit(0, checkpoint=head(9, b"r" * 32, STRANGER))),
    BadExport("head_with_more", ONE, edit(0, more=1)),
    BadExport("head_without_filter", ONE, drop(0, "filter")),
    BadExport("filter_no_object", ONE, edit(0, filter=[])),
    BadExport("unknown_type", ONE, edit(3, type="note")),
    BadExport("type_no_text", ONE, edit(3, type=["entry"])),
    BadExport("no_type", ONE, drop(3, "type")),
    BadExport("entry_with_more", ONE, edit(3, more=1)),
    BadExport("entry_without_salt", ONE, drop(3, "salt")),
    BadExport("salt_too_short", ONE, edit(3, salt=b64(b"x" * 31))),
    BadExport("salt_no_text", ONE, edit(3, salt=None)),
    BadExport("salt_no_base64", ONE, edit(3, salt="?" * 44)),
    BadExport("salt_of_other_letters", ONE, edit(3, salt="\u00e4" * 44)),
    BadExport("entry_no_object", ONE, edit(3, entry=[])),
    BadExport("entry_of_large_number", ONE, edit(3, entry={"n": 2**53})),
    BadExport("entry_of_surrogate", ONE, edit(3, entry={"n": "?"}), raw=text(b'"n": "?"', b'"n": "\\ud800"')),
    BadExport("entry_of_infinity", ONE, edit(3, entry={"n": 1}), raw=text(b'{"n": 1}', b'{"n": Infinity}')),
    BadExport("entry_of_too_large_a_fraction", ONE, edit(3, entry={"n": 1}), raw=text(b'{"n": 1}', b'{"n": 1e999}')),
    BadExport("key_twice", ONE, raw=text(b'"leaf_index": 3', b'"leaf_index": 3, "leaf_index": 3')),
    BadExport("proof_no_list", ONE, edit(3, inclusion_proof={})),
    BadExport("proof_no_hash", ONE, edit(3, inclusion_proof=["AAAA"])),
    BadExport("index_negative", ONE, edit(3, leaf_index=-1)),
    BadExport("index_truth_value", ONE, edit(1, leaf_index=False)),
    BadExport("index_fraction", ONE, edit(3, leaf_index=2.0)),
    BadExport("cause_unknown", ONE, edit(3, cause="whim"), arguments=GONE),
    BadExport("cause_no_text", ONE, edit(3, cause=[]), arguments=GONE),
    BadExport("redacted_at_no_text", ONE, edit(3, redacted_at=5), arguments=GONE),
    BadExport("redacted_with_entry", ONE, edit(3, entry={}), arguments=GONE),
    BadExport("end_no_number", ONE, edit(10, entries="9")),
    BadExport("end_with_more", ONE, edit(10, more=1)),
    BadExport("not_json", ONE, raw=lambda lines: [*lines[:3], b"{\n", *lines[4:]]),
    BadExport("no_utf8", ONE, raw=lambda lines: [*lines[:3], b'{"\xff": 1}\n', *lines[4:]]),
    BadExport("no_object", ONE, raw=lambda lines: [*lines[:3], b"[]\n", *lines[4:]]),
    BadExport("empty_line", ONE, raw=lambda lines: [*lines[:3], b"\n", *lines[3:]]),
    BadExport("byte_order_mark", ONE, raw=lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]]),
    BadExport("too_deep", ONE, raw=lambda lines: [*lines[:3], b"[" * 200_000 + b"\n"]),
    BadExport("too_long", ONE, raw=lambda lines: [*lines[:3], b'{"a": "' + b"x" * 4_200_000 + b'"}\n']),
]  # fmt: skip


def made(case: BadExport, log: LogFolder) -> list[bytes]:
    lines = log.export(**case.arguments)
    case.tamper(lines)
    return case.raw(as_lines(lines))
