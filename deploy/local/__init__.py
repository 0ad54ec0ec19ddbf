"""The platform on one machine: development CA, embedded PostgreSQL, router and services under supervision."""
