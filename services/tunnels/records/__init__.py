"""What travels between the rooms of the tunnels edge."""
