"""Signed and encrypted files on the command line."""
