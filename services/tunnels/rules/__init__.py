"""What the tunnels edge decides and how it speaks: pure."""
