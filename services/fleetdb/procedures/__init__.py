"""The surface of data realms: procedures and topics as the published SDKs know them (wire-sdk.md section 6)."""
