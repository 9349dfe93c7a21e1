"""The applications of the national card: each a folder with layout, driver (host side) and applet (card side)."""
