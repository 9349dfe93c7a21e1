"""What people do with a card: one module for each act."""
