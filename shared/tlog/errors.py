"""What is wrong with a log, a proof or a note. Who is to blame, the caller knows."""


class TlogError(Exception):
    """Never raised itself: the base of all errors of this package."""


class RangeError(TlogError, ValueError):
    """A size, index, level or width lies outside the bounds that the function states: a fault of the caller."""


class MalformedError(TlogError):
    """Octets or text are not of the form that their specification demands."""


class AbsentError(TlogError):
    """The log does not serve a tile or an entry bundle that its head says is there."""


class ProofError(TlogError):
    """A proof does not show what it should."""


class RootMismatchError(ProofError):
    """A proof leads to another root hash than the expected one."""

    def __init__(self, computed: bytes, expected: bytes) -> None:
        """Keep both roots, so that a person can compare them with what others saw."""
        super().__init__(f"the proof leads to root hash {computed.hex()}, expected was {expected.hex()}")
        self.computed = computed
        self.expected = expected


class SignatureError(TlogError):
    """Nobody who is trusted vouches for a note."""


class UnsignedError(SignatureError):
    """A note has no signature of any known key."""


class BadSignatureError(SignatureError):
    """A note has a signature that names a known key and that this key did not make."""
