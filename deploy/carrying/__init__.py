"""One project, taken out of an installation or a backup, and brought into an installation."""
