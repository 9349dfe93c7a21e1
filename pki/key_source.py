"""Where signing keys are kept, and how they are opened: encrypted files, PKCS#11 modules, cards.

A key is named by a reference, a text without secrets that the register holds:

    file:persons.pem                                       PKCS#8 under a passphrase, in the authorities' folder of keys
    pkcs11:token=Ministry;object=persons?module-path=/...  an HSM or token, by label or id (`pki.pkcs11_keys`)
    piv:9c                                                 a card, through an opener that the caller brings
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric import x25519

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer
from ecitizen.secret import KeyBytes

from .errors import KeyUnavailable, KeyUnsupported
from .keys import FileSigner, PrivateKey, generate_key, load_private_key, save_private_key
from .pkcs11_keys import SCHEME as PKCS11
from .pkcs11_keys import AskPin, Pkcs11Token, Pkcs11Uri

FILE: Final = "file:"
KEY_FILE_MAX_LEN: Final = 64 * 1024

SecretPrompt = Callable[[str], KeyBytes]
"""Asks for the passphrase or PIN of what is named, once for each."""
Opener = Callable[[str], Signer]
"""Opens a key by what follows the scheme in its reference."""


class KeySource:
    """Opens keys by their references. It is a context manager; what it has opened works until it is left.

    `signature_pin` is for keys on tokens that want the PIN for every signature; without it these can't be opened.
    """

    def __init__(
        self,
        folder: Path,
        *,
        passphrase: SecretPrompt,
        pin: SecretPrompt,
        signature_pin: AskPin | None = None,
        openers: Mapping[str, Opener] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._pin = pin
        self._signature_pin = signature_pin
        self._openers = openers
        self._tokens: dict[tuple[str, str], Pkcs11Token] = {}
        self._closing = ExitStack()

    def __enter__(self) -> "KeySource":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def open(self, reference: str) -> Signer:
        """The key as a signer.

        Raise KeyUnavailable if it is not there, PassphraseWrong, Malformed for a file that is no key, UsageError for
        a reference that can't be one.
        """
        if reference.startswith(FILE):
            return FileSigner(self._load(reference))
        if reference.startswith(PKCS11):
            uri = Pkcs11Uri.parse(reference)
            return self._token(uri).signer(uri.label, uri.id, ask_pin=self._signature_pin)
        scheme, colon, rest = reference.partition(":")
        opener = self._openers.get(scheme)
        if not colon or opener is None:
            known = ", ".join([FILE, PKCS11, *(f"{name}:" for name in self._openers)])
            raise UsageError(f"a key's reference begins with one of {known}")
        return opener(rest)

    def generate(self, reference: str, algorithm: KeyAlgorithm) -> Signer:
        """Make a new key there, and give it as a signer; raise as `open` does, and FileFailed.

        Cards make their keys themselves: `ecitizen piv generate`.
        """
        if reference.startswith(FILE):
            key = generate_key(algorithm)
            signer = FileSigner(key)
            save_private_key(self._path(reference), key, self._passphrase(reference))
            return signer
        if reference.startswith(PKCS11):
            uri = Pkcs11Uri.parse(reference)
            return self._token(uri).generate(uri.label, algorithm)
        raise KeyUnsupported("keys are made in files and PKCS#11 tokens here; make one on a card by `piv generate`")

    def generate_secret(self, reference: str) -> KeyBytes:
        """Make and keep a secret of 32 bytes, as the key for pseudonyms. It lies in an encrypted file.

        Its form is that of an X25519 key, which is 32 random bytes: every tool for keys can look after it.
        """
        key = generate_key(KeyAlgorithm.X25519)
        save_private_key(self._path(reference), key, self._passphrase(reference))
        return _secret(key)

    def open_secret(self, reference: str) -> KeyBytes:
        """The secret that `generate_secret` has kept; raise as `open` does."""
        return _secret(self._load(reference))

    def _load(self, reference: str) -> PrivateKey:
        path = self._path(reference)
        try:
            with path.open("rb") as file:
                content = file.read(KEY_FILE_MAX_LEN)
        except OSError as error:
            raise KeyUnavailable(f"the key file {path} can't be read: {error.strerror}") from None
        return load_private_key(content, self._passphrase(reference))

    def _path(self, reference: str) -> Path:
        name = reference.removeprefix(FILE)
        if not name or "\0" in name or not reference.startswith(FILE):
            raise UsageError("a key in a file is named like file:persons.pem")
        return self.folder / name

    def _token(self, uri: Pkcs11Uri) -> Pkcs11Token:
        """One session for all keys on a token: many allow no more, and nobody types a PIN twice."""
        known = self._tokens.get((uri.module, uri.token))
        if known is None:
            token = Pkcs11Token(uri, self._pin(f"{PKCS11}token={uri.token}"), writing=True)
            known = self._tokens[uri.module, uri.token] = self._closing.enter_context(token)
        return known


def _secret(key: PrivateKey) -> KeyBytes:
    if not isinstance(key, x25519.X25519PrivateKey):
        raise KeyUnavailable("this file holds a signing key, not the secret for pseudonyms; give the right one")
    return KeyBytes(key.private_bytes_raw())
