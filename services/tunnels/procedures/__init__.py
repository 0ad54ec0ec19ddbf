"""The surface of tunnels: for people, for devices."""
