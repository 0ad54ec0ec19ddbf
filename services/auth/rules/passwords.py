"""Which passwords are good enough. Pure. Source: NIST SP 800-63B-4 section 3.1.1.2.

Length alone counts: 15 characters at least, no rules about kinds of characters, blanks and every script allowed,
nothing cut off. Refused is what guessing programs try first: listed passwords, also two of them in a row or with digits
around them, repetitions, and what everybody knows of the person or of the product.
"""

import unicodedata
from collections.abc import Collection, Iterator
from typing import Final

from shared.errors import InvalidArgumentError

MIN_LENGTH: Final = 15
MAX_LENGTH: Final = 256
SHORTEST_WORD: Final = 3
PRODUCT_WORDS: Final = frozenset({"ironflock", "password", "passwort", "changeme", "administrator"})


def normalized(password: str) -> str:
    """The password as it is hashed: NFKC, so that every keyboard's form of it is the same one."""
    return unicodedata.normalize("NFKC", password)


def require_good(password: str, *, login_name: str, common: Collection[str]) -> str:
    """`password`, normalized, if it is good enough.

    Raises:
        InvalidArgumentError: It is not; the sentence says what to change, and never repeats it.
    """
    text = normalized(password)
    if len(text) < MIN_LENGTH:
        raise _refused(
            "too_short", f"use at least {MIN_LENGTH} characters; a sentence of your own is easy to keep in mind"
        )
    if len(text) > MAX_LENGTH:
        raise _refused("too_long", f"use at most {MAX_LENGTH} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise _refused("control_characters", "use no control characters")
    if is_common(text, known_of(login_name), common):
        raise _refused("common", "this password is among the first that are guessed; choose one that is made of more")
    return text


def known_of(login_name: str) -> frozenset[str]:
    """Words that everybody can guess of this person and this product, case folded."""
    name = login_name.casefold()
    parts = {name, *name.replace("@", ".").split(".")}
    return frozenset({part for part in parts if len(part) >= SHORTEST_WORD}) | PRODUCT_WORDS


def is_common(password: str, known: Collection[str], common: Collection[str]) -> bool:
    """Whether it is made of one or two listed words, of one repeated, or of a few characters."""
    folded = "".join(password.casefold().split())
    letters = folded.strip("0123456789!?.,;:+-_*#@$%&/()=\"'")
    if len(set(folded)) <= SHORTEST_WORD or not letters:
        return True
    return any(_is_listed(text, known, common) for text in {folded, letters, *_units(folded), *_units(letters)})


def _is_listed(text: str, known: Collection[str], common: Collection[str]) -> bool:
    if text in common or text in known:
        return True
    halves = ((text[:at], text[at:]) for at in range(SHORTEST_WORD, len(text) - SHORTEST_WORD + 1))
    return any((a in common or a in known) and (b in common or b in known) for a, b in halves)


def _units(text: str) -> Iterator[str]:
    """What `text` is a repetition of."""
    for length in range(1, len(text) // 2 + 1):
        if len(text) % length == 0 and text == text[:length] * (len(text) // length):
            yield text[:length]
            return


def _refused(reason: str, sentence: str) -> InvalidArgumentError:
    return InvalidArgumentError(sentence, argument="password", reason=reason)
