"""The one-shot process that brings the schemas of the control database up to date."""
