"""Data packages between agencies, on the command line."""
