"""Does the card have the private key that its data name? A fresh challenge to PIV key 9E, which asks for no PIN."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from ecitizen.errors import CardError, CardProtocolError, EcitizenError, StatusError, TransportError
from ecitizen.session import CardSession
from pki.keys import key_algorithm, load_public_key, signature_algorithms, verify_signature

from .piv import layout
from .piv.driver import PivSession
from .piv.driver_link import RandomSource
from .piv.layout import AlgorithmId, Slot

CHALLENGE_LEN: Final = 32
"""Random bytes; nobody can have an answer ready."""

_SW1_NO_SUCH: Final = 0x6A
"""Refusals of a card that has no key there, or one of another kind."""


@unique
class ChallengeResult(StrEnum):
    """What a card answered to a challenge."""

    PASSED = "passed"
    FAILED = "failed"
    """It has another key, or its answer is wrong."""
    NO_KEY = "no key"


@dataclass(frozen=True, slots=True)
class ChallengeAnswer:
    """A challenge and what came of it."""

    result: ChallengeResult
    sw: int | None = None
    """How the card refused, if it did."""


def challenge(session: CardSession, public_key: bytes, random_bytes: RandomSource) -> ChallengeAnswer:
    """Have key 9E sign a fresh challenge, and check the signature under `public_key` (SubjectPublicKeyInfo, DER).

    Raise TransportError if the way to the card fails; everything else is an answer.
    """
    try:
        piv = PivSession.select(session, random=random_bytes)
    except CardError as error:
        return ChallengeAnswer(ChallengeResult.NO_KEY, getattr(error, "sw", None))
    except CardProtocolError:
        return ChallengeAnswer(ChallengeResult.FAILED)
    message = random_bytes(CHALLENGE_LEN)
    try:
        signer = piv.signer(Slot.CARD_AUTHENTICATION, public_key=public_key)
        algorithm = signature_algorithms(key_algorithm(load_public_key(public_key)))[0]
        verify_signature(public_key, message, signer.sign(message, algorithm), algorithm)
    except TransportError:
        raise
    except StatusError as error:
        empty = error.sw >> 8 == _SW1_NO_SUCH and not _has_some_key(piv)
        return ChallengeAnswer(ChallengeResult.NO_KEY if empty else ChallengeResult.FAILED, error.sw)
    except EcitizenError:
        return ChallengeAnswer(ChallengeResult.FAILED)
    return ChallengeAnswer(ChallengeResult.PASSED)


def _has_some_key(piv: PivSession) -> bool:
    """Whether there is any key 9E: the card tells of one, or signs with one of some kind."""
    with suppress(CardError, CardProtocolError):
        if piv.metadata(Slot.CARD_AUTHENTICATION) is not None:
            return True
    for kind, length in layout.FIELD_LENS.items():
        if kind is not AlgorithmId.X25519:
            with suppress(CardError, CardProtocolError):
                piv.sign_block(Slot.CARD_AUTHENTICATION, kind, bytes(length - 1) + b"\x02")
                return True
    return False
