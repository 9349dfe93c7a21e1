"""Draw all portraits anew, into the package (or into the folder given)."""

import sys
from pathlib import Path

from .edges import portrait_with_edges
from .figure import portrait
from .jpeg import compressed
from .people import LOOKS

COMMENT = b"Fictional person, drawn by a script."
TRAP = b" \xff\xd9 is no end marker here."
"""An end marker that is none, inside a comment: a reader that cuts at the first FF D9 gets no picture at all."""

USUAL_LEN = 4960
"""The length of the JPEG in the one recorded trace of a real card (thai-card.md, section 3.2)."""
FULL_LEN = 5118
"""The whole photo field."""


def jpeg_of(name: str) -> bytes:
    """The portrait of a persona, with its peculiarity."""
    picture = portrait(LOOKS[name])
    if name == "chai":
        return portrait_with_edges(picture, USUAL_LEN)
    return compressed(
        picture,
        FULL_LEN if name == "siriporn" else USUAL_LEN,
        COMMENT + TRAP if name == "wanida" else COMMENT,
    )


def main() -> None:
    """Write a JPEG for every persona that has a look."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    for name in LOOKS:
        data = jpeg_of(name)
        (folder / f"{name}.jpg").write_bytes(data)
        print(f"{name}.jpg: {len(data)} bytes")


if __name__ == "__main__":
    main()
