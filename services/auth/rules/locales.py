"""In which language somebody is spoken to. Pure."""

from typing import Final

from services.auth.records.people import LOCALES, Locale

DEFAULT: Final[Locale] = "en"
MAX_RANGES: Final = 20


def locale_of(text: str | None) -> Locale | None:
    """One of ours by its name."""
    return next((locale for locale in LOCALES if locale == text), None)


def preferred_locale(accept_language: str) -> Locale:
    """Which of our languages a browser wants most (RFC 9110 section 12.5.4); English where it wants none of them."""
    wanted: dict[str, float] = {}
    for each in accept_language.split(",")[:MAX_RANGES]:
        language_range, _, parameter = each.partition(";")
        language = language_range.strip().lower().partition("-")[0]
        wanted[language] = max(wanted.get(language, 0.0), _weight(parameter))
    rest = wanted.get("*", 0.0)
    weights = {locale: wanted.get(locale, rest) for locale in (DEFAULT, *LOCALES)}
    best = max(weights, key=lambda locale: weights[locale])
    return best if weights[best] > 0 else DEFAULT


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not parameter.strip():
        return 1.0
    try:
        weight = float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
