"""Sign-in with other OpenID providers: here we are the client, and believe nothing that was not verified."""
