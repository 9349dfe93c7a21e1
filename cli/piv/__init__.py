"""The parts of `ecitizen piv`: one module for each kind of work with the signing card."""
