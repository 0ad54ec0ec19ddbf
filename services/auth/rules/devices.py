"""What a device's secrets are made of. Pure; randomness comes in as octets."""

import base64
import hmac
from hashlib import sha256
from typing import Final

from services.auth.records.devices import DeviceCredential, DeviceSecrets
from shared.identities import parse_device_authid

SECRET_OCTETS: Final = 32


def device_secrets(octets: bytes) -> DeviceSecrets:
    """A device's secret (base64url) and its key for app credentials (base64) out of 64 random octets.

    Source: wire-agent sections 1 and 4 (the agent uses the UTF-8 octets of both texts as they are).
    """
    if len(octets) != 2 * SECRET_OCTETS:
        raise ValueError(f"a device's secrets are made of {2 * SECRET_OCTETS} octets")
    return DeviceSecrets(
        secret=base64.urlsafe_b64encode(octets[:SECRET_OCTETS]).rstrip(b"=").decode(),
        app_cred_key=base64.b64encode(octets[SECRET_OCTETS:]).decode(),
    )


def tunnel_proof(secret: str, device_key: int) -> str:
    """The proof that the device's frpc sends. Source: wire-agent section 6 (`tunnel-authz:v1`)."""
    digest = hmac.digest(secret.encode(), f"tunnel-authz:v1:{device_key}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def tunnel_proof_digest(secret: str, device_key: int) -> bytes:
    """What the unique index holds instead of the proof (decision 27)."""
    return sha256(tunnel_proof(secret, device_key).encode()).digest()


def device_key_of(authid: str) -> int | None:
    """Under which key to look for the credential of a device that says it is `authid`."""
    parsed = parse_device_authid(authid)
    return None if parsed is None else parsed[1]


def belongs(credential: DeviceCredential, authid: str) -> bool:
    """Whether `authid` is the device's own: device and project must both be right, also that from before a move."""
    parsed = parse_device_authid(authid)
    if parsed is None or parsed[1] != credential.device_key:
        return False
    return parsed[0] in (credential.project_key, credential.moved_from)


def secret_context(device_key: int) -> str:
    """Under which context the secret of a device is sealed."""
    return f"auth.device_credential/{device_key}/secret"
