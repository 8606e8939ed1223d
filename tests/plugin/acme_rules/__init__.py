"""Rules of the ACME company for envdoctor."""

FAMILY = "acme"
"""The word for the family in reports."""
