"""The decisions of devices, pure: no I/O, no clock."""
