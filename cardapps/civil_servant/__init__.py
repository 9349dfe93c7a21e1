"""The official's application. No public layout exists; this one is the toolkit's own (docs/civil-servant-layout.md)."""
