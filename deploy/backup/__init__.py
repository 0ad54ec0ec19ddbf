"""Backups of an installation: taken, restored, tried."""
