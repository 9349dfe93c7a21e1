"""PIV commands and data objects in words, for traces and `ecitizen explain`: what is asked for, never what it says."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar

from ecitizen.errors import DecodeError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CLA_CHAINING, CommandApdu
from ecitizen.log import is_secured
from ecitizen.model import BilingualText

from . import layout
from .layout import AlgorithmId, ExtensionIns, Ins, KeyReference, ObjectId, Slot

_INTERINDUSTRY = frozenset({0x00, 0x40})
_CLA_GROUP_BITS = 0xE0

_ALGORITHMS: Mapping[int, str] = MappingProxyType(
    {
        AlgorithmId.TRIPLE_DES_DEFAULT: "3DES",
        AlgorithmId.TRIPLE_DES: "3DES",
        AlgorithmId.RSA_2048: "RSA-2048",
        AlgorithmId.RSA_3072: "RSA-3072",
        AlgorithmId.RSA_4096: "RSA-4096",
        AlgorithmId.AES_128: "AES-128",
        AlgorithmId.AES_192: "AES-192",
        AlgorithmId.AES_256: "AES-256",
        AlgorithmId.P_256: "P-256",
        AlgorithmId.P_384: "P-384",
        AlgorithmId.ED25519: "Ed25519",
        AlgorithmId.X25519: "X25519",
    }
)
_KEYS: Mapping[int, str] = MappingProxyType(
    {
        Slot.AUTHENTICATION: "authentication",
        Slot.SIGNATURE: "signature",
        Slot.KEY_MANAGEMENT: "key management",
        Slot.CARD_AUTHENTICATION: "card authentication",
        Slot.ATTESTATION: "attestation",
        KeyReference.MANAGEMENT: "management",
    }
)
_REFERENCE_DATA: Mapping[int, str] = MappingProxyType(
    {
        KeyReference.APPLICATION_PIN: "PIN",
        KeyReference.PUK: "PUK",
    }
)
_OBJECTS: Mapping[int, str] = MappingProxyType(
    {
        ObjectId.DISCOVERY: "discovery object",
        ObjectId.BIOMETRIC_GROUP_TEMPLATE: "biometric information templates",
        ObjectId.CHUID: "cardholder unique identifier (CHUID)",
        ObjectId.FINGERPRINTS: "fingerprints",
        ObjectId.SECURITY_OBJECT: "security object",
        ObjectId.CAPABILITY_CONTAINER: "card capability container",
        ObjectId.FACIAL_IMAGE: "facial image",
        ObjectId.PRINTED_INFORMATION: "printed information",
        ObjectId.KEY_HISTORY: "key history",
        ObjectId.IRIS_IMAGES: "iris images",
        ObjectId.SECURE_MESSAGING_SIGNER: "certificate of the secure messaging signer",
        ObjectId.PAIRING_CODE: "pairing code",
    }
)
_CERTIFICATES: Mapping[int, Slot] = MappingProxyType({slot.certificate_object: slot for slot in Slot})

# Inside tag 53 (SP 800-73-5 part 1, tables 8 to 46). No tag has two meanings but F3.
_ELEMENTS: Mapping[int, str] = MappingProxyType(
    {
        0x01: "name",
        0x02: "affiliation",
        0x04: "expiration date",
        0x05: "card serial number",
        0x06: "issuer",
        0x07: "organisation",
        0x08: "suborganisation",
        0x30: "FASC-N",
        0x34: "GUID",
        0x35: "expiration date",
        0x36: "cardholder UUID",
        0x3E: "issuer's signature",
        0x70: "certificate",
        0x71: "CertInfo",
        0xBA: "mapping of data groups",
        0xBB: "security object",
        0xBC: "image or template",
        0xC1: "keys with certificates on the card",
        0xC2: "keys with certificates elsewhere",
        0xF0: "card identifier",
        0xF1: "version of the capability container",
        0xF2: "version of the capability grammar",
        0xF3: "URL",
        0xF4: "PKCS#15",
        0xF5: "registered data model",
        0xF6: "access control rules",
        0xF7: "card APDUs",
        0xFA: "redirection",
        0xFB: "capabilities",
        0xFC: "status tuples",
        0xFD: "next capability container",
        0xFE: "error detection code",
    }
)
_PIN_USAGE_POLICY = 0x5F2F

_FORMS = (
    (frozenset({layout.TAG_EXPONENTIATION}), "agree on a secret"),
    (frozenset({layout.TAG_WITNESS, layout.TAG_CHALLENGE}), "mutual authentication, answer and challenge"),
    (frozenset({layout.TAG_WITNESS}), "mutual authentication, ask for a witness"),
)


class PivWords:
    """What traces and explanations say of PIV. Found by the entry point group `ecitizen.words`."""

    name: ClassVar[str] = layout.NAME
    title: ClassVar[BilingualText] = BilingualText("ลงลายมือชื่อด้วยบัตร (PIV)", "Signing card (PIV)")
    aid: ClassVar[bytes] = layout.AID

    def command_words(self, command: CommandApdu) -> str | None:
        """What a command asks of a PIV application; None for a command that PIV does not have."""
        if command.cla & _CLA_GROUP_BITS not in _INTERINDUSTRY or is_secured(command.cla):
            return None
        describe = _COMMANDS.get(command.ins)
        words = describe(command) if describe else None
        return f"{words}, to be continued" if words and command.cla & CLA_CHAINING else words

    def object_words(self, tag: int, parent: int | None) -> str | None:
        """The name of a data object inside `parent` (None: at the top), or None if PIV has no such object."""
        if parent == layout.TAG_DATA:
            return _ELEMENTS.get(tag)
        if parent == layout.TAG_DISCOVERY and tag == _PIN_USAGE_POLICY:
            return "PIN usage policy"
        return _object_name(tag) if parent is None else None


def _object_name(tag: int) -> str | None:
    if tag in _CERTIFICATES:
        return f"certificate of {_key(_CERTIFICATES[tag])}"
    if tag in layout.VENDOR_OBJECTS:
        return f"object {tag:06X} of an extension"
    return _OBJECTS.get(tag)


def _key(reference: int) -> str:
    """A key reference, and what the key is for."""
    if Slot.RETIRED_1 <= reference <= Slot.RETIRED_20:
        return f"{reference:02X} (retired key {reference - Slot.RETIRED_1 + 1})"
    return f"{reference:02X} ({_KEYS.get(reference, 'no key of PIV')})"


def _algorithm(identifier: int) -> str:
    return _ALGORITHMS.get(identifier, f"algorithm {identifier:02X}")


def _elements(data: bytes, template: int | None = None) -> dict[int, bytes]:
    """Data objects by tag, inside `template` if one is named; of broken ones, none."""
    try:
        objects = tlv.parse(data)
        if template is not None:
            outer = tlv.find(objects, template)
            objects = outer.children() if outer else ()
    except DecodeError:
        return {}
    return {each.tag: each.value for each in objects}


# --- the standard's commands ---


def _verify(command: CommandApdu) -> str | None:
    what = _REFERENCE_DATA.get(command.p2)
    if what is None or command.p1 not in {layout.P1_VERIFY, layout.P1_END_VERIFICATION}:
        return None
    if command.p1 == layout.P1_END_VERIFICATION:
        return f"forget that the {what} was verified"
    return f"check the {what}" if command.data else f"is the {what} verified, and how many tries are left"


def _change(command: CommandApdu) -> str | None:
    return f"change the {_REFERENCE_DATA[command.p2]}" if not command.p1 and command.p2 in _REFERENCE_DATA else None


def _unblock(command: CommandApdu) -> str | None:
    return None if command.p1 or command.p2 != KeyReference.APPLICATION_PIN else "set a new PIN with the PUK"


def _generate(command: CommandApdu) -> str | None:
    if command.p1 or command.p2 not in list(Slot):
        return None
    identifier = _elements(command.data, layout.TAG_GENERATE).get(layout.TAG_GENERATE_ALGORITHM, b"")
    kind = f", {_algorithm(identifier[0])}" if len(identifier) == 1 else ""
    return f"make a key in {_key(command.p2)}{kind}"


def _authenticate(command: CommandApdu) -> str | None:
    """The form shows in which elements there are; none of their values is told."""
    if command.p2 not in _KEYS and command.p2 not in list(Slot):
        return None
    present = frozenset(_elements(command.data, layout.TAG_DYNAMIC_AUTHENTICATION))
    form = next((words for tags, words in _FORMS if tags <= present), None)
    if form is None and command.p2 == KeyReference.MANAGEMENT:
        asks = layout.TAG_CHALLENGE in present
        form = f"external authentication, {'ask for a challenge' if asks else 'answer'}"
    if form is None:
        form = "sign or decipher" if layout.TAG_CHALLENGE in present else "more of its data"
    return f"key {_key(command.p2)}, {_algorithm(command.p1)}: {form}"


def _named_object(command: CommandApdu) -> str | None:
    if command.p1 << 8 | command.p2 != layout.P1_P2_OBJECTS:
        return None
    if command.ins == Ins.PUT_DATA and command.data[:1] in {b"\x7e", b"\x7f"}:
        return "write the discovery object" if command.data[:1] == b"\x7e" else "write the biometric templates"
    elements = _elements(command.data)
    listed = elements.get(layout.TAG_TAG_LIST) or _beginning(command.data)
    words = _object_name(int.from_bytes(listed, "big")) or f"object {listed.hex().upper()}" if listed else "an object"
    if command.ins == Ins.GET_DATA:
        return words
    return f"remove {words}" if elements.get(layout.TAG_DATA) == b"" else f"write {words}"


def _beginning(data: bytes) -> bytes:
    """The tag that is written, at the beginning of a chain whose object is cut off."""
    listed = data[2 : 2 + data[1]] if len(data) > 2 and data[0] == layout.TAG_TAG_LIST else b""
    return listed if len(listed) <= tlv.MAX_TAG_LEN else b""


# --- the extensions ---


def _move(command: CommandApdu) -> str:
    if command.p1 == layout.P1_DELETE_KEY:
        return f"delete key {_key(command.p2)}"
    return f"move key {_key(command.p2)} to {_key(command.p1)}"


def _metadata(command: CommandApdu) -> str:
    return f"metadata of {_REFERENCE_DATA.get(command.p2) or f'key {_key(command.p2)}'}"


def _import(command: CommandApdu) -> str | None:
    if command.p1 not in list(layout.KEY_ALGORITHM_IDS.values()) or command.p2 not in list(Slot):
        return None
    return f"import a key to {_key(command.p2)}, {_algorithm(command.p1)}"


_COMMANDS: Mapping[int, Callable[[CommandApdu], str | None]] = MappingProxyType(
    {
        Ins.VERIFY: _verify,
        Ins.CHANGE_REFERENCE_DATA: _change,
        Ins.RESET_RETRY_COUNTER: _unblock,
        Ins.GENERATE_ASYMMETRIC_KEY_PAIR: _generate,
        Ins.GENERAL_AUTHENTICATE: _authenticate,
        Ins.GET_DATA: _named_object,
        Ins.PUT_DATA: _named_object,
        ExtensionIns.MOVE_KEY: _move,
        ExtensionIns.GET_METADATA: _metadata,
        ExtensionIns.GET_SERIAL: lambda _: "serial number",
        ExtensionIns.ATTEST: lambda command: f"attest key {_key(command.p1)}",
        ExtensionIns.SET_RETRIES: lambda command: f"set the tries, PIN {command.p1}, PUK {command.p2}",
        ExtensionIns.RESET: lambda _: "reset the application",
        ExtensionIns.GET_VERSION: lambda _: "version of the extensions",
        ExtensionIns.IMPORT_KEY: _import,
        ExtensionIns.SET_MANAGEMENT_KEY: lambda _: "set the management key",
    }
)
