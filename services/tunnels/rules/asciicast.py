"""What a visitor saw, as an asciicast of version 2: a line of JSON for the whole, and one for each piece of output.

What visitors type is left out: passwords are typed. Source: asciinema's doc/asciicast-v2.md. Pure.
"""

import codecs
import json
from typing import Any, Final

MAX_OCTETS: Final = 64 << 20
WIDTH: Final = 80
HEIGHT: Final = 24
"""Nobody tells us how large the terminal is; this is what players take for granted."""
TOO_LONG: Final = "the recording ends here: it is too long"


class Cast:
    """Takes octets as they come and gives the lines that they make."""

    def __init__(self, began_at: float, title: str, most: int = MAX_OCTETS) -> None:
        """Of something that began at `began_at` (Unix seconds); at most about `most` octets."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._most = most
        self.is_truncated = False
        self.octets = 0
        size = {"version": 2, "width": WIDTH, "height": HEIGHT}
        self.head = self._line({**size, "timestamp": int(began_at), "title": title})

    def seen(self, elapsed_s: float, octets: bytes) -> str:
        """The line of what came from the device `elapsed_s` seconds after the beginning; empty where there is none."""
        if self.is_truncated:
            return ""
        if self.octets + len(octets) > self._most:
            self.is_truncated = True
            return self._line([round(elapsed_s, 6), "m", TOO_LONG])
        text = self._decoder.decode(octets)
        return self._line([round(elapsed_s, 6), "o", text]) if text else ""

    def _line(self, said: Any) -> str:
        line = json.dumps(said) + "\n"
        self.octets += len(line)
        return line
