"""Which page answers which request, and for whom."""

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, Literal

from attrs import frozen

from services.auth.pages.answers import Answer
from services.auth.pages.visits import Visit

Render = Callable[[Visit], Awaitable[Answer]]


_NAMED: Final = re.compile(r"(/upstream/)[a-z][a-z0-9-]{0,31}(?=/|$)", re.ASCII)


class Access(Enum):
    """For whom a page is."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"
    FRESH = "signed in, and has shown within five minutes who they are"


@frozen
class Route:
    """One page, at exactly one path. What is `FRESH` by POST has a page at the same path by GET, to come back to.

    The `<name>` of `/upstream/<name>` stands for any provider's.
    """

    method: Literal["GET", "POST"]
    path: str
    render: Render
    access: Access = Access.ANYBODY
    is_open: bool = False
    """Whether forms of other sites are taken: it does nothing but send the browser on."""


def pattern_of(path: str) -> str:
    """The path as routes have it, whatever provider it names."""
    return _NAMED.sub(r"\1<name>", path, count=1) if path.startswith("/upstream/") else path


def get(path: str, render: Render, access: Access = Access.ANYBODY) -> Route:
    """A page to look at: it changes nothing, since scanners of mail and browsers that think ahead look too."""
    return Route("GET", path, render, access)


def post(path: str, render: Render, access: Access = Access.ANYBODY, *, is_open: bool = False) -> Route:
    """What a form does."""
    return Route("POST", path, render, access, is_open)
