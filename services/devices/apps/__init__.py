"""Apps on devices: what is wanted, what an agent says, and how it gets there."""
