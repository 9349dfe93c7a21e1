"""The health entitlement application of the National Health Security Office (NHSO)."""
