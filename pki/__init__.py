"""Keys, certificates and trust; knows no cards. Grows with the signing card and the authorities."""
