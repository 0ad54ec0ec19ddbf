"""The text of a password, or of a service's secret on the bus, while another one follows it: the new one, then the old.

One a line. Whoever shows it shows the first; whoever checks it takes either, and to a server that knows one alone the
second is shown where it refuses the first. So a value takes over without a moment at which neither opens.
"""


def values(text: str) -> tuple[str, ...]:
    """The value, and after it the one before while that still counts; none in an empty text."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def is_followed(text: str) -> bool:
    """Whether another value takes over: both count."""
    return len(values(text)) > 1


def with_next(text: str, value: str) -> str:
    """The text in which `value` takes over from the one that is there."""
    return "\n".join((value, *values(text)[:1]))


def with_newest_alone(text: str) -> str:
    """The text in which the one before counts no more."""
    return values(text)[0]
