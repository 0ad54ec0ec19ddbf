"""Names that people give, and their one canonical form.

Two names are the same name when their canonical forms are: NFKC, case folded, without outer blanks and with inner
blanks narrowed to one (no locale anywhere). The database is unique on that form (lessons: look-alike and case twins).
"""

import unicodedata
from typing import Final

from shared.errors import InvalidArgumentError

MAX_NAME_LENGTH: Final = 100
MAX_TEXT_LENGTH: Final = 4_000
_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties) outside those categories, and the blank braille pattern.
_INVISIBLE: Final = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)


def clean_name(name: str, *, what: str) -> str:
    """`name` as it is kept and shown: NFC, outer blanks gone.

    Args:
        what: The argument's name, for the refusal.

    Raises:
        InvalidArgumentError: It is empty, too long, has control or invisible characters, or only digits (which would
            be taken for a key).
    """
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidArgumentError(f"{what} may have at most {MAX_NAME_LENGTH} characters", argument=what)
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise InvalidArgumentError(f"{what} must not be empty", argument=what)
    if any(_is_invisible(character) for character in cleaned):
        raise InvalidArgumentError(f"{what} must not contain control or invisible characters", argument=what)
    if canonical_name(cleaned).isdigit():
        raise InvalidArgumentError(f"{what} must not be a number: it would be taken for a key", argument=what)
    return cleaned


def canonical_name(name: str) -> str:
    """The form on which names are unique; the form of a canonical form is itself."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())


def _is_invisible(character: str) -> bool:
    point = ord(character)
    is_ignorable = any(first <= point <= last for first, last in _INVISIBLE)
    return is_ignorable or unicodedata.category(character) in _FORBIDDEN_CATEGORIES


def lookup_name(name: str) -> str | None:
    """The canonical form to look a name up by, or None where nothing can have that name."""
    if len(name) > MAX_NAME_LENGTH or any(_is_invisible(character) for character in name.strip()):
        return None
    return canonical_name(name) or None


def clean_token(text: str) -> str:
    """A machine's own word for something, as far as it can be kept: without control or invisible characters."""
    return "".join(character for character in text if not _is_invisible(character))


def clean_text(text: str, *, what: str) -> str:
    """A description as it is kept: NFC, without control characters other than line ends and tabs.

    Raises:
        InvalidArgumentError: It is too long or has other control characters.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidArgumentError(f"{what} may have at most {MAX_TEXT_LENGTH} characters", argument=what)
    cleaned = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in cleaned):
        raise InvalidArgumentError(f"{what} must not contain control characters", argument=what)
    return cleaned
