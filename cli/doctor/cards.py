"""The cards in the readers: whether anybody could manage them."""

import json
from collections.abc import Iterator
from typing import Any

from .child import run_python
from .finding import Finding, Severity, Translate


def keys(_: Translate) -> Iterator[Finding]:
    """Cards with the published test keys, which are right in tests and nowhere else; nothing of other cards."""
    listed = run_python("-m", "cli", "reader", "list", "--json")
    for reader in _said(listed.out).get("readers", ()):
        if not reader["card_present"] or reader["atr"] is None:
            continue
        outcome = run_python("-m", "cli", "gp", "info", "--json", "--wait", "0", "--reader", reader["name"])
        if _said(outcome.out).get("test_keys"):
            text = _("The card in {reader} has the published test keys: whoever has the card can manage it.")
            yield Finding(
                "test_keys",
                Severity.WARNING,
                text.format(reader=reader["name"]),
                "ecitizen gp keys rotate --keys test --new-keys FILE",
            )


def _said(text: str) -> dict[str, Any]:
    """What a command of ours said in JSON; nothing if it failed."""
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return {}
    return found
