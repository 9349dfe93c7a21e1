"""The signing card: a PIV application (NIST SP 800-73) with the management extensions in wide use."""
