"""The SQL of audit, one statement a function."""
