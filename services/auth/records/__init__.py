"""What travels between the rooms of auth, and the shapes of its procedures."""
