"""The SQL of privileges, one statement a function."""
