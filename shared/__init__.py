"""What two services or more need, each file one idea; imports no service."""
