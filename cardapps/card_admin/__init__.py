"""The card's own numbers: the ADM application, and the chip serial of the card manager."""
