"""What `flockctl doctor` looks at, and how it judges what it saw."""
