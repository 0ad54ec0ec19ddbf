"""The proof of one entry, verified at the operator's own machine with keys that the answer does not bring."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

import rfc8785

from deploy.flockctl.errors import CommandError
from shared.tlog.checkpoint import OpenedCheckpoint, open_checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.hashing import commitment, leaf_hash
from shared.tlog.note import VerifierKey
from shared.tlog.proof import verify_inclusion

REFUSED: Final = "this proof does not hold: {}. Keep it, and verify the log with `flockctl audit verify`"


def verify_proof(found: Mapping[str, Any], keys: Iterable[VerifierKey]) -> OpenedCheckpoint:
    """The head in which the entry of `found` (an answer of `ironflock.audit.entry.proof`) is proved to be.

    Raises:
        CommandError: `unproved`: something of it is not as the log's keys and the tree say.
    """
    try:
        opened = open_checkpoint(str(found["checkpoint"]).encode(), keys)
        verify_inclusion(
            index=int(found["leaf_index"]),
            size=opened.checkpoint.size,
            leaf=leaf_hash(commitment(_octets(found["salt"]), rfc8785.dumps(found["entry"]))),
            proof=[_octets(each) for each in found["inclusion_proof"]],
            root=opened.checkpoint.root,
        )
    except (TlogError, binascii.Error, rfc8785.CanonicalizationError, KeyError, TypeError, ValueError) as error:
        raise CommandError("unproved", REFUSED.format(error)) from error
    return opened


def _octets(text: Any) -> bytes:
    return base64.b64decode(str(text), validate=True)
