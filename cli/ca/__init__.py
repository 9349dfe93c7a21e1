"""The parts of `ecitizen ca`."""
