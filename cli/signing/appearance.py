"""How a signature in a PDF looks, and what it allows: the options of `ecitizen sign` for PDF alone."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pki.pdf_settings import Appearance

PORTRAIT_MAX_LEN = 1 << 22
"""Of a JPEG file, in bytes."""
_ALLOWED = ("nothing", "forms", "annotations")


def add_appearance(parser: argparse.ArgumentParser) -> None:
    """Add the options that only a PDF takes."""
    of_pdf = parser.add_argument_group("for PDF")
    of_pdf.add_argument("--field", metavar="NAME", help="the signature field to fill, or to make")
    of_pdf.add_argument(
        "--visible", type=box, metavar="BOX", help="show the signature here: left,bottom,right,top in points"
    )
    of_pdf.add_argument("--page", type=int, metavar="N", help="with --visible: on this page (default: 1; -1: the last)")
    of_pdf.add_argument("--portrait", metavar="FILE", help="show this picture (JPEG) of the signer in it")
    of_pdf.add_argument("--font", metavar="FILE", help="a font with Thai letters (default: one that is installed)")
    of_pdf.add_argument("--reason", metavar="TEXT", help="why it is signed")
    of_pdf.add_argument("--location", metavar="TEXT", help="where it is signed")
    of_pdf.add_argument("--certify", choices=_ALLOWED, help="make it a certification, after which only this is allowed")


def box(text: str) -> tuple[float, float, float, float]:
    """Corners on the command line. Raise ArgumentTypeError for what is no box."""
    try:
        left, bottom, right, top = (float(each) for each in text.split(","))
    except ValueError:
        left = bottom = right = top = 0.0
    if not (0 <= left < right < float("inf") and 0 <= bottom < top < float("inf")):
        raise argparse.ArgumentTypeError(f"{text!r} is no box; give left,bottom,right,top in points, as 72,72,300,150")
    return (left, bottom, right, top)


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `pki.pdf.sign` takes, of what the command line says."""
    from pki.pdf_settings import Certify

    wishes = {name: getattr(arguments, name) for name in ("field", "reason", "location")}
    wishes["appearance"] = _appearance(arguments)
    wishes["certify"] = Certify[arguments.certify.upper()] if arguments.certify else None
    return {name: wish for name, wish in wishes.items() if wish is not None}


def _appearance(arguments: argparse.Namespace) -> "Appearance | None":
    """The looks; None if nothing is said of them. Raise UsageError for looks of a signature that is not visible."""
    from ecitizen.errors import UsageError
    from pki.pdf_settings import Appearance

    from ..files import read_file

    if arguments.page is not None and arguments.visible is None:
        raise UsageError("--page goes with --visible BOX")
    looks = (arguments.visible, arguments.portrait, arguments.font)
    if all(each is None for each in looks):
        return None
    if arguments.visible is None and arguments.field is None:
        raise UsageError("a picture or a font goes with --visible BOX, or with --field for a field that is visible")
    page = 1 if arguments.page is None else arguments.page
    if page == 0 or page < -1:
        raise UsageError("pages are counted from 1; -1 is the last one")
    portrait = read_file(arguments.portrait, PORTRAIT_MAX_LEN) if arguments.portrait else None
    font = Path(arguments.font) if arguments.font else None
    return Appearance(arguments.visible, page - 1 if page > 0 else page, font, portrait)
