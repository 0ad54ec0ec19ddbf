"""What a cluster runs by its calendar: backups, and a look at it, of an installation whose processes are elsewhere."""
