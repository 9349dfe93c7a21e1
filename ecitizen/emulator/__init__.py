"""The emulated card: its memory, its operating system, its place in a reader. It knows no host side."""
