"""What an issuing office writes down: first of all, what it does to which card."""
