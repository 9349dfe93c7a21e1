"""Secure channels between a host and a card: what protects card management on the way."""
