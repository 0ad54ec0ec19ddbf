"""What travels between the rooms of realms, and the shapes of its procedures."""
