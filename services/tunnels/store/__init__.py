"""The SQL of tunnels, one statement a function."""
