"""The shells of a stand-in: root's, one for each who calls, handed out again until it ends; and those in containers.

They know a few words. Pure. Source: wire-agent section 3.
"""

from typing import Final

from attrs import define, field

END: Final = "TERMINAL_EOF"
PROMPT: Final = "# "
INTERRUPT: Final = "\x03"
END_OF_FILE: Final = "\x04"


@define
class Shell:
    """One shell: `caller` is whose; what is typed is echoed, lines are done."""

    name: str
    caller: str
    line: str = ""
    is_busy: bool = False
    is_over: bool = False
    size: tuple[int, int] = (80, 24)
    container: str = ""
    alive: int | None = None
    """By which registration one in a container lives, once it was started."""

    @property
    def which(self) -> str:
        """How its topics end."""
        return f"{self.container}.{self.name}" if self.container else self.name

    def typed(self, keys: str) -> list[str]:
        """What it prints of these keys, the word for its end included."""
        printed = ""
        for key in keys:
            if self.is_over:
                break
            printed += self._key(key)
        return [*([printed] if printed else []), *([END] if self.is_over else [])]

    def _key(self, key: str) -> str:
        if key == INTERRUPT:
            self.line, self.is_busy = "", False
            return f"^C\r\n{PROMPT}"
        if self.is_busy:
            return ""
        if key in "\r\n":
            line, self.line = self.line, ""
            return f"\r\n{self._done(line)}"
        if key == END_OF_FILE and not self.line:
            self.is_over = True
            return "exit\r\n"
        self.line += key
        return key

    def _done(self, line: str) -> str:
        word, _, rest = line.strip().partition(" ")
        if word == "exit":
            self.is_over = True
            return ""
        if word == "sleep":
            self.is_busy = True
            return ""
        said = {"": "", "echo": f"{rest}\r\n", "whoami": f"root for {self.caller}\r\n"}
        said["size"] = f"{self.size[0]}x{self.size[1]}\r\n"
        return said.get(word, f"{word}: not found\r\n") + PROMPT


@define
class Shells:
    """Those of one device: root's by who called, and those in containers."""

    of: dict[str, Shell] = field(factory=dict)
    inside: list[Shell] = field(factory=list)
    count: int = 0

    def shell(self, caller: str) -> tuple[Shell, bool]:
        """The caller's shell, and whether it is new."""
        found = self.of.get(caller)
        if found is not None and not found.is_over:
            return found, False
        self.count += 1
        made = self.of[caller] = Shell(f"00000000-0000-4000-8000-{self.count:012d}", caller)
        return made, True

    def in_container(self, caller: str, container: str) -> Shell:
        """A new one, which is to be started."""
        self.count += 1
        made = Shell(f"00000000-0000-4000-8000-{self.count:012d}", caller, container=container)
        self.inside.append(made)
        return made

    def named(self, which: str) -> Shell | None:
        """The shell whose topics end so."""
        return next((shell for shell in (*self.of.values(), *self.inside) if shell.which == which), None)

    def session(self, name: str) -> Shell | None:
        """The one in a container of that name."""
        return next((shell for shell in self.inside if shell.name == name), None)
