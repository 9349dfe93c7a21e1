"""`ecitizen sign`: documents signed with the card, and `ecitizen sign extend`, which makes signatures last."""

from ..signing.extending import add_extend
from ..signing.files import add_sign
from ..tree import Parser


def fill(parser: Parser) -> None:
    """Add what the command takes, and the command beside it."""
    add_sign(parser)
    add_extend(parser.add_beside("extend", help="raise the level of signatures, or renew an archive timestamp"))
