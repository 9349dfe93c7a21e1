"""What `ecitizen gp` does: looking at a card's management, and its keys."""
