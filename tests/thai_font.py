"""Tests that write Thai into PDF need a font: without one they are skipped with the reason, but fail in CI."""

import os

import pytest

from ecitizen.errors import ConfigError
from pki.pdf_fonts import find_font


def _is_missing() -> bool:
    try:
        find_font()
    except ConfigError:
        return True
    return False


needs_thai_font = pytest.mark.skipif(
    "CI" not in os.environ and _is_missing(), reason="no font with Thai letters is installed (Debian: fonts-thai-tlwg)"
)
