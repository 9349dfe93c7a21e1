"""Card keys whose master key lives in a PKCS#11 token and never leaves it. Needs python-pkcs11 (the extra `pkcs11`).

The token computes AES-CMAC (CKM_AES_CMAC, PKCS#11 2.40, 2.11.3) under the master key: the pseudo-random function of the
derivation. What comes out are the keys of one card, which `ecitizen.key_providers` keeps for the time of one call.

A master key is an AES key that the token holds with CKA_SENSITIVE and without CKA_EXTRACTABLE. Its CKA_ID is one byte,
the version number of the keys that are derived from it, so that nobody has to remember it.
"""

from typing import TYPE_CHECKING, Any, Final

from ecitizen.errors import UsageError
from ecitizen.key_providers import KVN_DIVERSIFIED, DerivedKeys
from ecitizen.secure_channel.handshake import KEY_LENS, KVN_MAX

from .errors import KeyUnavailable, KeyUnsupported
from .pkcs11_keys import Pkcs11Token, check_new_label, module_errors

if TYPE_CHECKING:
    import pkcs11

MASTER_KEY_LEN: Final = 32
"""Of a key that is made here, in bytes."""


class CardKeysToken(Pkcs11Token):
    """A session on a token with master keys; a context manager, whose providers work until it is left."""

    def card_keys(self, label: str) -> "Pkcs11Keys":
        """The keys that are derived from the master key of that label.

        Raise KeyUnavailable if there is none, KeyUnsupported for a key that is no master key of cards.
        """
        from pkcs11 import ObjectClass

        with module_errors(self._token):
            key: Any = self._session.get_key(object_class=ObjectClass.SECRET_KEY, label=label)
        return Pkcs11Keys(key, self._token)

    def generate_master(self, label: str, *, kvn: int = KVN_DIVERSIFIED) -> "Pkcs11Keys":
        """Have the token make a master key; raise UsageError if the label is taken, or empty."""
        from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass

        check_new_label(label)
        if not 0 < kvn <= KVN_MAX:
            raise UsageError("a key version number is from 1 to 127")
        with module_errors(self._token):
            wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label}
            if next(iter(self._session.get_objects(wanted)), None) is not None:
                raise UsageError(f"there is a key {label} on the token already; give the new one another name")
            self._session.generate_key(
                KeyType.AES,
                8 * MASTER_KEY_LEN,
                id=bytes((kvn,)),
                label=label,
                store=True,
                capabilities=MechanismFlag.SIGN,
                template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
            )
        return self.card_keys(label)


class Pkcs11Keys(DerivedKeys):
    """Keys of cards, derived from a master key in a token; satisfies `ecitizen.key_providers.KeyProvider`."""

    def __init__(self, master: "pkcs11.Key", token: str) -> None:
        from pkcs11 import Attribute, KeyType

        self._master: Any = master
        self._token = token
        with module_errors(token):
            kind, name = self._master.key_type, self._master[Attribute.ID]
            length, extractable = self._master[Attribute.VALUE_LEN], self._master[Attribute.EXTRACTABLE]
        if kind is not KeyType.AES or length not in KEY_LENS or extractable:
            raise KeyUnsupported("a master key of cards is an AES key that can't be taken out of its token")
        if len(name) != 1 or not 0 < name[0] <= KVN_MAX:
            raise KeyUnsupported("a master key's CKA_ID is one byte, 01 to 7F: the version of the keys derived from it")
        super().__init__(self._cmac, kvn=name[0], key_len=length)

    def _cmac(self, message: bytes) -> bytes:
        from pkcs11 import Mechanism

        with module_errors(self._token):
            mac = bytes(self._master.sign(message, mechanism=Mechanism.AES_CMAC))
        if len(mac) != 16:
            raise KeyUnavailable(f"the token {self._token} does not compute AES-CMAC as the standard has it")
        return mac
