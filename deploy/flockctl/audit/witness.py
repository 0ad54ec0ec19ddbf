"""A witness: decides by the protocol's rules, remembers on the disk, and only then cosigns and answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from deploy.flockctl.audit.witness_state import StateLostError, WitnessState
from shared.tlog.cosignature import Cosigner
from shared.tlog.errors import MalformedError
from shared.tlog.note import Algorithm, VerifierKey
from shared.tlog.witness import SIZE_TYPE, Cosign, Refusal, Status, decide, request_origin

TEXT: Final = "text/plain; charset=utf-8"
INTERNAL: Final = 500


@frozen
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = TEXT


@frozen
class Witness:
    """One witness; `now` tells the Unix time in seconds. Its calls must not overlap: compare and keep are one step."""

    state: WitnessState
    cosigner: Cosigner = field(repr=False)
    logs: Mapping[str, Sequence[VerifierKey]]
    now: Callable[[], float]

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to a request of C2SP tlog-witness, "add-checkpoint"."""
        try:
            origin = request_origin(body)
            # Nothing is looked up for logs that are unknown: anybody may send those.
            known = self.state.known(origin if origin in self.logs else "", self.cosigner)
        except MalformedError as error:
            return Answer(Status.BAD_REQUEST, f"{error}\n".encode())
        except StateLostError:
            return Answer(INTERNAL, b"what this witness knew of the log is lost: its operator must restore it\n")
        decision = decide(body, self.logs, known)
        return _refused(decision) if isinstance(decision, Refusal) else self._cosigned(decision)

    def _cosigned(self, decision: Cosign) -> Answer:
        signature = self.cosigner.cosign(decision.note.text, timestamp=int(self.now()))
        try:
            self.state.remember(decision.checkpoint.origin, decision.note.with_signatures([signature]).octets)
        except OSError:
            return Answer(INTERNAL, b"the checkpoint could not be kept, so it is not cosigned\n")
        return Answer(Status.OK, signature.line.encode())

    def newest(self, name: str) -> Answer:
        """The answer to a monitor that asks for the log whose origin has the hash `name`."""
        try:
            note = self.state.newest(name)
        except StateLostError:
            return Answer(INTERNAL, b"")
        return Answer(Status.NOT_FOUND, b"") if note is None else Answer(Status.OK, note)


def _refused(refusal: Refusal) -> Answer:
    if refusal.known_size is not None:
        return Answer(refusal.status, f"{refusal.known_size}\n".encode(), SIZE_TYPE)
    return Answer(refusal.status, f"{refusal.reason}\n".encode())


def logs_of(keys: Sequence[VerifierKey]) -> dict[str, tuple[VerifierKey, ...]]:
    """For each origin the keys of its log: a log signs under the name of its origin."""
    own = [key for key in keys if key.algorithm is Algorithm.ED25519]
    return {key.name: tuple(each for each in own if each.name == key.name) for key in own}
