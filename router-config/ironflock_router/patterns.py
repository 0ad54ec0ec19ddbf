"""URIs, and patterns of URIs, as sets: what a request can reach, and whether a grant covers all of it.

A WAMP request names one URI (`exact`), every URI that begins with a text (`prefix`; a text, not a segment: `a.b`
reaches `a.bc.d` too), or every URI with the same number of segments where an empty one stands for any (`wildcard`). A
grant is written with `*` for one segment, `**` at the end for one segment or more, and words in braces (`{serial}`) for
segments that depend on the caller. A request is covered when every URI that it can reach is.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

ONE: Final = "*"
REST: Final = "**"
OWN_SERIAL: Final = "{serial}"

Own = Mapping[str, Callable[[str], bool]]
"""Which segments each word in braces stands for, for one caller; a word that is not there stands for none. None of them
may take the empty segment, which is a wildcard's gap."""

EXACT: Final = "exact"
PREFIX: Final = "prefix"
WILDCARD: Final = "wildcard"

MAX_URI_LENGTH: Final = 512
# What the WAMP specification calls loose URIs. Crossbar's own check ends in `$`, which lets a line end through.
_SEGMENT: Final = re.compile(r"[^\s.#]+")


def is_segment(text: str) -> bool:
    """Whether `text` can stand as one segment of a URI: not empty, no dot, no blank, no `#`."""
    return _SEGMENT.fullmatch(text) is not None


def _is_empty_or_segment(text: str) -> bool:
    return not text or is_segment(text)


@frozen
class Request:
    """The URIs that one message asks for."""

    match: str
    segments: tuple[str, ...]


def parse_request(uri: str, match: str) -> Request | None:
    """The set of URIs behind `uri` under `match`, or None where the URI is malformed or the match policy unknown."""
    if len(uri) > MAX_URI_LENGTH:
        return None
    segments = tuple(uri.split("."))
    if match == EXACT:
        is_fine = all(is_segment(segment) for segment in segments)
    elif match == PREFIX:
        is_fine = all(is_segment(segment) for segment in segments[:-1]) and _is_empty_or_segment(segments[-1])
    else:
        is_fine = match == WILDCARD and all(_is_empty_or_segment(segment) for segment in segments)
    return Request(match, segments) if is_fine else None


@frozen
class Pattern:
    """The URIs of a grant."""

    segments: tuple[str, ...]

    @property
    def is_literal(self) -> bool:
        """Whether it names exactly one URI, the same for every caller."""
        return not any(segment in (ONE, REST) or _is_own(segment) for segment in self.segments)

    def covers(self, request: Request, own: Own) -> bool:
        """Whether every URI of `request` belongs to this grant of a caller whose own segments are `own`."""
        open_ended = self.segments[-1] == REST
        fixed = self.segments[:-1] if open_ended else self.segments
        known = request.segments[:-1] if request.match == PREFIX else request.segments
        if request.match == PREFIX:
            # It reaches URIs of any length with at least one segment after the known ones.
            return open_ended and len(known) >= len(fixed) and self._all_cover(fixed, known, own)
        long_enough = len(known) > len(fixed) if open_ended else len(known) == len(fixed)
        return long_enough and self._all_cover(fixed, known, own)

    @staticmethod
    def _all_cover(fixed: tuple[str, ...], known: tuple[str, ...], own: Own) -> bool:
        return all(_segment_covers(one, other, own) for one, other in zip(fixed, known, strict=False))


def parse_pattern(text: str) -> Pattern:
    """The pattern written as `text`.

    Raises:
        ValueError: `**` stands elsewhere than at the end, or a segment is malformed.
    """
    segments = tuple(text.split("."))
    if not all(is_segment(segment) for segment in segments) or REST in segments[:-1]:
        raise ValueError(f"not a pattern of URIs: {text}")
    return Pattern(segments)


def exactly(text: str | None) -> Callable[[str], bool]:
    """The one segment `text`; none where it is None or cannot be a segment."""
    return lambda segment: segment == text and is_segment(segment)


def _is_own(segment: str) -> bool:
    return segment.startswith("{")


def _segment_covers(granted: str, requested: str, own: Own) -> bool:
    if granted == ONE:
        return True
    if _is_own(granted):
        return granted in own and own[granted](requested)
    return granted == requested
