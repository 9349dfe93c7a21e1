"""The `ecitizen` command."""
