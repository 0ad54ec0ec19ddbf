"""What we are made of: the bill of materials, its licences, what is known against it, and what an update changes."""
