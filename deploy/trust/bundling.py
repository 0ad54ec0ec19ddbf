"""What is believed inside, out of an installation's Secrets and Issuers: both CAs of a pair, whichever signs.

cert-manager keeps two CAs of each kind: the one that signs and the next one. Both are believed at all times, so that
signing goes over to the other one without anybody who does not believe it. Where the issuer of the public names is no
CA of ours (component `acme`), who signed those is nobody's business here.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

PAIRS: Final = {
    "internal-ca": ("trust", ("inside", "public")),
    "backend-login-ca": ("backend-login-trust", ("backend-login",)),
}
"""Each CA's name: the Secret that says who is believed, and the issuers whose certificates it or the next one signs."""
NEXT: Final = "-next"
ISSUER: Final = "cert-manager.io/issuer-name"
KIND: Final = "cert-manager.io/issuer-kind"
ELSEWHERE: Final = "public"
"""The issuer that may be somebody else's, as its Issuer says; no other one may, since the installation believes it."""
ASKED: Final = "kubectl get issuers.cert-manager.io,secrets -o json"


class TrustError(Exception):
    """The Secrets are not those of an installation, or what is asked for would leave somebody believed by nobody."""


@frozen
class Authorities:
    """The CAs of a pair that are there and every certificate that their issuers gave, by the names of their Secrets."""

    name: str
    pair: Mapping[str, x509.Certificate]
    issued: Mapping[str, x509.Certificate]

    def signed_by(self, secret: str) -> list[str]:
        """The names of the Secrets whose certificate that CA signed; none where it is not there."""
        authority = self.pair.get(secret)
        return [name for name, each in self.issued.items() if authority is not None and is_by(each, authority)]

    def strangers(self) -> list[str]:
        """The names of the Secrets whose certificate neither of the two signed."""
        known = {name for secret in self.pair for name in self.signed_by(secret)}
        return [name for name in self.issued if name not in known]


def authorities(printed: Mapping[str, Any], name: str) -> Authorities:
    """The pair called `name` in a list of Secrets and Issuers, as `ASKED` prints it.

    Raises:
        TrustError: Neither of the two is there, or what is there is no list of Secrets.
    """
    try:
        listed = {str(each["metadata"]["name"]): each for each in printed["items"] if each.get("kind") != "Issuer"}
        pair = {each: _certificate(listed[each]) for each in (name, name + NEXT) if each in listed}
        issuers = PAIRS[name][1]
        issued = {each: _certificate(secret) for each, secret in listed.items() if _issuer(secret) in issuers}
        if _is_elsewhere(printed["items"]):
            theirs = {each for each in issued if _issuer(listed[each]) == ELSEWHERE}
            ours = {each for each in theirs if any(is_by(issued[each], authority) for authority in pair.values())}
            issued = {each: shown for each, shown in issued.items() if each in ours or each not in theirs}
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise TrustError(f"that is not what `{ASKED}` prints") from error
    if not pair:
        raise TrustError(f"{name} is not in there: are those the Secrets of the installation?")
    return Authorities(name, pair, issued)


def bundle(found: Authorities, namespace: str, *, is_alone: bool = False) -> dict[str, Any]:
    """The Secret that says who is believed: both of the pair, or the one that there is where `is_alone` says so.

    Raises:
        TrustError: One is missing, or a certificate that is shown now is of neither.
    """
    missing = {found.name, found.name + NEXT} - set(found.pair)
    if missing and not is_alone:
        absent = missing.pop()
        raise TrustError(f"{absent} is not there yet: wait for cert-manager, or say --alone where it makes none")
    strangers = found.strangers()
    if strangers:
        raise TrustError(f"neither CA signed what these show: {', '.join(strangers)}")
    pem = b"".join(_pem(each) for each in found.pair.values())
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": PAIRS[found.name][0],
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "ironflock", "cnpg.io/reload": ""},
        },
        "type": "Opaque",
        "data": {"ca.crt": base64.b64encode(pem).decode()},
    }


def idle(found: Authorities) -> str:
    """The name of the CA that has signed nothing which is shown: the one that may be made anew.

    Raises:
        TrustError: Both have, or neither: one has not followed the other everywhere.
    """
    unused = [secret for secret in found.pair if not found.signed_by(secret)]
    if len(unused) != 1 or len(found.pair) == 1:
        told = "; ".join(f"{secret}: {', '.join(found.signed_by(secret)) or 'nothing'}" for secret in found.pair)
        raise TrustError(f"which of the two is the next one cannot be said ({told})")
    return unused[0]


def _is_elsewhere(items: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the list has the Issuer of the public names, and it is of another kind than CA."""
    named = [each for each in items if each.get("kind") == "Issuer" and each["metadata"]["name"] == ELSEWHERE]
    return any("ca" not in each["spec"] for each in named)


def _issuer(secret: Mapping[str, Any]) -> str:
    annotations = secret["metadata"].get("annotations") or {}
    return str(annotations.get(ISSUER, "")) if annotations.get(KIND, "Issuer") == "Issuer" else ""


def _certificate(secret: Mapping[str, Any]) -> x509.Certificate:
    """What it shows: the first of its chain."""
    return x509.load_pem_x509_certificates(base64.b64decode(secret["data"]["tls.crt"], validate=True))[0]


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def is_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether `authority` signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
