"""Settings: the environment, read once, into values that cannot be wrong.

A service reads `IRONFLOCK_<PREFIX>_<NAME>`; a secret is the content of the file that `IRONFLOCK_<PREFIX>_<NAME>_FILE`
names, never the variable itself. What is missing, malformed or unknown stops the process with the variable's name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

MAX_PORT: Final = 65_535
MAX_DIGITS: Final = 18


class SettingsError(Exception):
    """The environment does not describe a service that could run; the text names the variable and what it wants."""


class Settings:
    """The variables of one prefix, each read at most by the name that a service knows."""

    def __init__(self, prefix: str, environ: Mapping[str, str]) -> None:
        """Look at `environ` for variables `IRONFLOCK_<prefix>_*`."""
        self._prefix = f"IRONFLOCK_{prefix}_"
        self._environ = environ
        self._known: set[str] = set()

    def text(self, name: str, default: str | None = None) -> str:
        """The variable's text without outer blanks; an empty one counts as missing.

        Raises:
            SettingsError: It is missing and there is no default.
        """
        self._known.add(self._prefix + name)
        value = self._environ.get(self._prefix + name, "").strip()
        if value:
            return value
        if default is None:
            raise SettingsError(f"{self._prefix}{name} is missing")
        return default

    def integer(self, name: str, default: int | None = None, *, minimum: int, maximum: int) -> int:
        """A whole number within `minimum` and `maximum`, both included."""
        text = self.text(name, None if default is None else str(default))
        is_whole = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
        if not is_whole or not minimum <= int(text) <= maximum:
            raise SettingsError(f"{self._prefix}{name} must be a whole number from {minimum} to {maximum}")
        return int(text)

    def port(self, name: str, default: int | None = None) -> int:
        """A TCP port, 1 to 65535."""
        return self.integer(name, default, minimum=1, maximum=MAX_PORT)

    def seconds(self, name: str, default: float, *, maximum: float = 86_400.0) -> float:
        """A time span above zero, in seconds; fractions are welcome."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError as error:
            raise SettingsError(f"{self._prefix}{name} must be a number of seconds") from error
        if not 0 < value <= maximum:
            raise SettingsError(f"{self._prefix}{name} must be above 0 and at most {maximum} seconds")
        return value

    def ratio(self, name: str, default: float) -> float:
        """A part of a whole, from 0 to 1."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError as error:
            raise SettingsError(f"{self._prefix}{name} must be a number from 0 to 1") from error
        if not 0 <= value <= 1:
            raise SettingsError(f"{self._prefix}{name} must be a number from 0 to 1")
        return value

    def path(self, name: str, default: Path | None = None) -> Path:
        """A file or folder; that it exists is checked by who opens it."""
        return Path(self.text(name, None if default is None else str(default)))

    def secret(self, name: str) -> str:
        """The content of the file named by the variable `<name>_FILE`, without the line end.

        Raises:
            SettingsError: The file is missing, unreadable or empty; its content is never part of the text.
        """
        variable = f"{self._prefix}{name}_FILE"
        path = self.path(f"{name}_FILE")
        try:
            content = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable} names {path}, which cannot be read") from error
        if not content:
            raise SettingsError(f"{variable} names {path}, which is empty")
        return content

    def optional_secret(self, name: str) -> str:
        """As `secret`, and empty where the variable `<name>_FILE` is not set."""
        variable = f"{self._prefix}{name}_FILE"
        self._known.add(variable)
        return self.secret(name) if self._environ.get(variable, "").strip() else ""

    def refuse_unknown(self) -> None:
        """Refuse variables of this prefix that nobody asked for: a misspelt setting must not pass in silence.

        Raises:
            SettingsError: There is one; the text names it.
        """
        unknown = sorted(v for v in self._environ if v.startswith(self._prefix) and v not in self._known)
        if unknown:
            raise SettingsError(f"{unknown[0]} is not a setting of this service")
