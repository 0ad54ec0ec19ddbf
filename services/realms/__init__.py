"""Projects, and later the apps, realms and data areas that live in them."""
