"""Where a list goes on, as a link (RFC 8288)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from services.gateway.records import BASE_PATH, Headers, Route


def next_page(route: Route, path: str, query: Mapping[str, str], answer: Any) -> Headers:
    """The header that links to the page after `answer`; none on the last page, and none where nothing is paged.

    A cursor says by itself where the next page begins, so that an offset is spent with the first.
    """
    following = answer.get("next") if isinstance(answer, dict) and "cursor" in route.query else None
    if not isinstance(following, str):
        return ()
    kept = {name: text for name, text in query.items() if name not in ("cursor", "offset")}
    return (("link", f'<{BASE_PATH}{path}?{urlencode({**kept, "cursor": following})}>; rel="next"'),)
