"""What a cluster runs by its calendar: backups of an installation whose processes and database are elsewhere."""
