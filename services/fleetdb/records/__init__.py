"""What travels between the rooms of fleetdb."""
