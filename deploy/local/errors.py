"""What a person at the terminal is told in one sentence, without a traceback."""


class PlatformError(Exception):
    """The platform cannot be started, stopped or looked at as asked; the text says why and what to do."""
