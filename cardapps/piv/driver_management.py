"""The management key, 9B: mutual authentication and replacement (SP 800-73-5 part 2, 3.2.4 and appendix A.1)."""

from typing import Final

from ecitizen.errors import DecodeError, KeyIncorrect, NotSupported, UsageError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import NE_SHORT
from ecitizen.iso7816.status import StatusWord, status_error
from ecitizen.secret import KeyBytes

from . import layout
from .driver_link import PivLink, response_element
from .driver_metadata import KeyMetadata
from .layout import AlgorithmId, ExtensionIns, Ins, KeyReference

_DOING: Final = "authenticating with the management key"
_KINDS: Final = tuple(layout.MANAGEMENT_KEY_LENS)
_TRIPLE_DES_NAMES: Final = (AlgorithmId.TRIPLE_DES, AlgorithmId.TRIPLE_DES_DEFAULT)
"""The standard has both, and there are cards that take one of them only."""

_OTHER_KIND: Final = frozenset(
    {
        StatusWord.INCORRECT_PARAMETERS_P1_P2,
        StatusWord.INCORRECT_DATA_FIELD,
        StatusWord.FUNCTION_NOT_SUPPORTED,
        StatusWord.REFERENCED_DATA_NOT_FOUND,
        StatusWord.WRONG_PARAMETERS_P1_P2,
        StatusWord.WRONG_LENGTH,
    }
)
"""How cards say that their management key is of another kind than P1 names."""

_WRONG_KEY: Final = frozenset(
    {
        StatusWord.SECURITY_STATUS_NOT_SATISFIED,
        StatusWord.AUTHENTICATION_METHOD_BLOCKED,
        StatusWord.INCORRECT_DATA_FIELD,
        StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED,
        *range(StatusWord.WARNING_MEMORY_CHANGED, StatusWord.WARNING_MEMORY_CHANGED + 0x100),
    }
)
"""How they say that what they got back is not their witness."""


class ManagementCommands(PivLink):
    """The part of a PIV session that deals with the management key."""

    def management_metadata(self) -> KeyMetadata | None:
        """What the card tells of its management key: kind, and whether everybody knows it; None if nothing."""
        answer = self._ask("asking about the management key", ExtensionIns.GET_METADATA, KeyReference.MANAGEMENT)
        return None if answer is None else KeyMetadata.parse(answer)

    def management_algorithm(self) -> AlgorithmId:
        """The kind of the management key: as the card tells it, or else the likeliest."""
        told = self._told_algorithm()
        return self._likeliest()[0] if told is None else told

    def authenticate_management(self, key: KeyBytes, algorithm: AlgorithmId | None = None) -> None:
        """Prove to the card that we have its management key, and have it prove the same.

        Without `algorithm` the card is asked for its kind, and if it does not tell, the kinds of this length are
        tried: that costs no try of anything. Raise KeyIncorrect if the card has another key, NotSupported if it has
        none of this kind, UsageError for a key of the wrong length.
        """
        known = self._told_algorithm() if algorithm is None else algorithm
        kinds = self._likeliest() if known is None else [known]
        fitting = [kind for kind in kinds if key and _key_len(kind) == len(key)]
        if not fitting:
            raise UsageError(f"this can't be the card's management key: one of {len(key)} bytes is not of its kind")
        with self.transaction():
            kind, witness = self._witness(fitting)
            self._answer_witness(key, kind, witness)

    def set_management_key(self, key: KeyBytes, algorithm: AlgorithmId = AlgorithmId.TRIPLE_DES) -> None:
        """Replace the management key, which must be authenticated (extension).

        Raise UsageError for a key that is not as long as its kind wants, NotSupported if the card can't.
        """
        if not key or _key_len(algorithm) != len(key):
            raise UsageError("a management key has 24 bytes for 3DES and AES-192, 16 for AES-128, 32 for AES-256")
        self._extension(
            "replacing the management key",
            ExtensionIns.SET_MANAGEMENT_KEY,
            layout.P1_SET_MANAGEMENT_KEY,
            layout.P2_SET_MANAGEMENT_KEY,
            bytes((algorithm, KeyReference.MANAGEMENT, len(key))) + key.reveal(),
        )

    def _told_algorithm(self) -> AlgorithmId | None:
        metadata = self.management_metadata()
        told = metadata.algorithm if metadata else None
        return told if isinstance(told, AlgorithmId) and _key_len(told) else None

    def _likeliest(self) -> list[AlgorithmId]:
        """The kinds of management keys, those first that the card listed when it was selected."""
        listed = self.properties.algorithms
        return sorted(_KINDS, key=lambda kind: kind not in listed)

    def _witness(self, kinds: list[AlgorithmId]) -> tuple[AlgorithmId, bytes]:
        """Ask for a witness, enciphered by the card, under the first of these kinds that it takes."""
        request = tlv.encode(layout.TAG_DYNAMIC_AUTHENTICATION, tlv.encode(layout.TAG_WITNESS, b""))
        names = [name for kind in kinds for name in (_TRIPLE_DES_NAMES if kind in _TRIPLE_DES_NAMES else (kind,))]
        sw: int = StatusWord.INCORRECT_PARAMETERS_P1_P2
        for name in names:
            response = self._send(Ins.GENERAL_AUTHENTICATE, name, KeyReference.MANAGEMENT, request, ne=NE_SHORT)
            sw = response.sw
            if sw == StatusWord.NO_ERROR:
                witness = response_element(response.data, layout.TAG_WITNESS, _DOING)
                if len(witness) != layout.CHALLENGE_LENS[_usual(name)]:
                    raise DecodeError(f"{_DOING}: the card's witness is not one block of its cipher")
                return name, witness
            if sw not in _OTHER_KIND:
                raise status_error(sw, _DOING)
        raise NotSupported(f"{_DOING}: this card has no management key of this kind ({sw:04X})", sw)

    def _answer_witness(self, key: KeyBytes, algorithm: AlgorithmId, witness: bytes) -> None:
        """Send the witness in clear with a challenge of ours, and check what the card makes of that."""
        from hmac import compare_digest  # late: it brings hashlib

        from .driver_cipher import BlockCipher  # late: it brings the cryptography package

        cipher = BlockCipher(_usual(algorithm), key)
        challenge = self.random(len(witness))
        elements = tlv.encode(layout.TAG_WITNESS, cipher.decipher(witness)) + tlv.encode(
            layout.TAG_CHALLENGE, challenge
        )
        data = tlv.encode(layout.TAG_DYNAMIC_AUTHENTICATION, elements)
        response = self._send(Ins.GENERAL_AUTHENTICATE, algorithm, KeyReference.MANAGEMENT, data, ne=NE_SHORT)
        if response.sw in _WRONG_KEY:
            raise KeyIncorrect(f"{_DOING}: it is not this card's key ({response.sw:04X})", response.sw)
        if response.sw != StatusWord.NO_ERROR:
            raise status_error(response.sw, _DOING)
        if not compare_digest(response_element(response.data, layout.TAG_RESPONSE, _DOING), cipher.encipher(challenge)):
            raise KeyIncorrect(f"{_DOING}: the card does not have this key itself; it may be a false one", response.sw)


def _usual(algorithm: AlgorithmId) -> AlgorithmId:
    """The kind under the one of its names that tables have."""
    return AlgorithmId.TRIPLE_DES if algorithm is AlgorithmId.TRIPLE_DES_DEFAULT else algorithm


def _key_len(algorithm: AlgorithmId) -> int:
    """Bytes of a key of this kind; 0, which no key has, for what is not a cipher."""
    return layout.MANAGEMENT_KEY_LENS.get(_usual(algorithm), 0)
