"""What fleetdb decides: pure."""
