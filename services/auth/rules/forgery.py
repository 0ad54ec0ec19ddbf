"""Forms that only our own pages can have sent (CSRF). Pure.

Each form carries a token that is derived from a cookie of the same browser: the session's, or, before there is one, a
random one. Other sites can neither read the cookie nor (`__Host-`) set it. Beside that a request says where it comes
from: by Sec-Fetch-Site (Fetch Metadata), else by Origin (RFC 6454); one that says neither, or another site, is refused.
"""

import base64
import hmac
from typing import Final

_DOMAIN: Final = b"ironflock form token v1"


def form_token(cookie: str) -> str:
    """The token of forms for the browser that has `cookie`; tells nothing of the cookie."""
    digest = hmac.digest(cookie.encode(), _DOMAIN, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def token_matches(cookie: str, token: str) -> bool:
    """Whether `token` is that of `cookie`; no token is that of no cookie."""
    return bool(cookie) and hmac.compare_digest(form_token(cookie).encode(), token.encode())


def is_own(*, fetch_site: str | None, origin: str | None, own_origin: str) -> bool:
    """Whether a browser says that a page of ours sent the request."""
    if fetch_site is not None:
        return fetch_site == "same-origin"
    return origin == own_origin
