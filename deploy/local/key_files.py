"""Files of keys, `{"active": ..., "keys": {id: base64}}`, through a rotation: pure.

A master key takes over at once and the old one stays until nothing is wrapped by it. A signing key takes over in two
steps: both sign until every verifier knows the new one.
"""

import base64
import json
from typing import Any


def with_new_master(text: str, name: str, key: bytes) -> str:
    """The file with `key`, which wraps from now on; those that were there still unwrap."""
    document = json.loads(text)
    return _text(name, {**document["keys"], name: _encoded(key)})


def is_leaving_masters(text: str) -> bool:
    """Whether a master key took over and those before it are still there."""
    return len(json.loads(text)["keys"]) > 1


def with_active_master_alone(text: str) -> str:
    """The file without the keys that wrap nothing any more."""
    document = json.loads(text)
    return _text(document["active"], {document["active"]: document["keys"][document["active"]]})


def with_masters_of(text: str, older: str) -> str:
    """The file with the keys of an older one besides, which only unwrap."""
    document = json.loads(text)
    return _text(document["active"], {**json.loads(older)["keys"], **document["keys"]})


def is_taking_over(text: str) -> bool:
    """Whether a signing key is taking over from another: both sign."""
    return len(json.loads(text)["active"]) > 1


def with_new_signer(text: str, name: str, seed: bytes) -> str:
    """The file with a key that signs besides the one that does."""
    document = json.loads(text)
    return _text([*document["active"], name], {**document["keys"], name: _encoded(seed)})


def with_newest_signer_alone(text: str) -> str:
    """The file in which the newest key alone signs; heads that the old one signed can still be verified by it."""
    document = json.loads(text)
    return _text(document["active"][-1:], document["keys"])


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _text(active: Any, keys: dict[str, str]) -> str:
    return json.dumps({"active": active, "keys": keys})
