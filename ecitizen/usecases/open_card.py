"""Finding a card: in a PC/SC reader, in a virtual reader, or in a saved image."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..session import CardSession
from ..transport.virtual import VirtualReader, VirtualTransport

if TYPE_CHECKING:
    from ..emulator.image import CardImage
    from ..transport.base import ReaderInfo, Transport

VIRTUAL_PREFIX = "virtual:"
"""`virtual:FILE` in place of a reader's name means the card image FILE, in this process."""


def list_readers() -> "tuple[ReaderInfo, ...]":
    """All PC/SC readers, and what is in them. Raise PcscUnavailable if this machine has no PC/SC."""
    from ..transport import pcsc  # late: works without pyscard until a PC/SC reader is asked for

    return pcsc.list_readers()


def open_card(
    reader: str | VirtualReader | None = None,
    *,
    exclusive: bool = False,
    wait: float = 0.0,
    wrap: "Callable[[Transport], Transport] | None" = None,
) -> CardSession:
    """Connect to a card; use the session in a `with` block.

    `reader` is part of a PC/SC reader's name, `virtual:FILE` for a card image, a VirtualReader, or None for the
    only PC/SC reader that has a card in it. `wait` is how many seconds to wait for a card; `exclusive` keeps other
    programs off it until the session is closed. `wrap` is given the way to the card and gives the one to use in its
    place: a TracingTransport around it, say. Raise NoReader, NoCard, ReaderAmbiguous, ReaderBusy, CardMute,
    PcscUnavailable, ImageBusy, ImageDamaged.
    """
    transport = _connect(reader, exclusive=exclusive, wait=wait)
    if wrap is None:
        return CardSession(transport)
    try:
        return CardSession(wrap(transport))
    except BaseException:
        transport.close()
        raise


def _connect(reader: str | VirtualReader | None, *, exclusive: bool, wait: float) -> "Transport":
    if isinstance(reader, VirtualReader):
        return reader.connect()
    if reader is not None and reader.startswith(VIRTUAL_PREFIX):
        return _open_image(reader.removeprefix(VIRTUAL_PREFIX))
    from ..transport import pcsc  # late: see above

    return pcsc.connect(reader, exclusive=exclusive, wait=wait)


def _open_image(path: str) -> "_ImageTransport":
    from ..emulator.image import CardImage  # late: PC/SC users don't need the emulator
    from ..emulator.personalise import card_from_image

    image = CardImage.open(path)
    try:
        return _ImageTransport(VirtualReader(card_from_image(image), f"{VIRTUAL_PREFIX}{path}"), image)
    except BaseException:
        image.close()
        raise


class _ImageTransport(VirtualTransport):
    """A card whose image is closed with it, so that others may use the file again."""

    def __init__(self, reader: VirtualReader, image: "CardImage") -> None:
        assert reader.card is not None
        super().__init__(reader, reader.card)
        self._image = image

    def close(self) -> None:
        super().close()
        self._image.close()
