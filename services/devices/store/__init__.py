"""The SQL of devices, one statement a function."""
