"""The SQL of auth, one statement a function."""
