"""The citizen's ID application of the Ministry of Interior (MOI)."""
