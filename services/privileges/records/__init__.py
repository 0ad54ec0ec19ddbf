"""What travels between the rooms of privileges, and the shapes of its procedures."""
