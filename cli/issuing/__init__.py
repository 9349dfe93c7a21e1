"""What `ecitizen card` does with the keys of an issuing office: issuing cards, changing them, ending them."""
