"""The SQL of fleetdb."""
