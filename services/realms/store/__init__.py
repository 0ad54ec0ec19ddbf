"""The SQL of realms, one statement a function."""
