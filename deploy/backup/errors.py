"""How a backup, a restore or a drill ends when it does not end well."""


class BackupError(Exception):
    """It could not be done; the text says why and what to do, and nothing that was there before is changed."""


class UntrustedError(BackupError):
    """What lies in the folder of backups is not what this installation wrote there."""


class LogLostError(BackupError):
    """No log can be taken that goes on from a backup: there is none, or the server has thrown its log away since."""
