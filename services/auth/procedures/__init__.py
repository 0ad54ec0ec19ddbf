"""The surface of auth: procedures on the bus."""
