"""Where a command gets the keys of cards from: the published test keys, a file with a master key, or a token.

Nobody puts a key on the command line: what stands there is a name. A master key's file is JSON that only its owner may
read; in a token the master key can't be read at all.
"""

import json
import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ecitizen.errors import FileFailed, UsageError
from ecitizen.key_providers import KVN_DIVERSIFIED, DiversifiedKeys, KeyProvider, StaticKeys
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import KEY_LENS, KVN_MAX

if TYPE_CHECKING:
    from pki.pkcs11_card_keys import CardKeysToken

    from ..prompts import Secrets

TEST_KEYS: Final = "test"
PKCS11: Final = "pkcs11:"
KIND: Final = "ecitizen master key of cards"
MASTER_KEY_LEN: Final = 32
FILE_MAX_LEN: Final = 4096
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class CardKeySource:
    """Opens providers by the names on the command line; they work until it is left. A token is opened once."""

    def __init__(self, secrets: "Secrets") -> None:
        self._secrets = secrets
        self._tokens: dict[tuple[str, str], CardKeysToken] = {}
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def open(self, name: str) -> KeyProvider:
        """The provider of that name. Raise UsageError, KeyUnavailable or PassphraseWrong if there is none."""
        if name == TEST_KEYS:
            return StaticKeys.published()
        if name.startswith(PKCS11):
            from pki.pkcs11_keys import Pkcs11Uri  # late: an extra, which few need

            return self._token(name).card_keys(Pkcs11Uri.parse(name).label)
        keys = load_master(name)
        self._closing.callback(keys.close)
        return keys

    def new(self, name: str, kvn: int) -> None:
        """Make a master key of that name. Raise UsageError if there is one, FileFailed if it can't be written."""
        if name == TEST_KEYS:
            raise UsageError("the test keys are made already; name a file or a token")
        if name.startswith(PKCS11):
            from pki.pkcs11_keys import Pkcs11Uri

            self._token(name, writing=True).generate_master(Pkcs11Uri.parse(name).label, kvn=kvn)
        else:
            save_master(name, KeyBytes(os.urandom(MASTER_KEY_LEN)), kvn)

    def _token(self, name: str, *, writing: bool = False) -> "CardKeysToken":
        from pki.pkcs11_card_keys import CardKeysToken
        from pki.pkcs11_keys import Pkcs11Uri

        uri = Pkcs11Uri.parse(name)
        known = self._tokens.get((uri.module, uri.token))
        if known is None:
            opened = CardKeysToken(uri, self._secrets.passphrase(), writing=writing)
            known = self._tokens[uri.module, uri.token] = self._closing.enter_context(opened)
        return known


def save_master(path: str, key: KeyBytes, kvn: int = KVN_DIVERSIFIED) -> None:
    """Write a master key into a new file that only its owner may read, and overwrite the one given.

    Raise UsageError if there is such a file, FileFailed if it can't be written.
    """
    from ..files import for_the_owner

    text = json.dumps({"schema_version": 1, "kind": KIND, "kvn": kvn, "key": key.reveal().hex()}) + "\n"
    key.wipe()
    try:
        with open(path, "x", encoding="ascii", opener=for_the_owner) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise UsageError(f"{path} is there already; a master key is never overwritten, name another file") from None
    except OSError as error:
        raise FileFailed(f"can't write {path}: {error.strerror or error}; choose another place") from None


def load_master(path: str) -> DiversifiedKeys:
    """The keys that a master key's file gives.

    Raise UsageError if it can't be read, is none, or may be read by others than its owner.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(FILE_MAX_LEN)
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None
    if os.name == "posix" and stat.S_ISREG(mode) and mode & OTHERS:
        raise UsageError(f"others than its owner may use {path}, and it holds a master key: chmod 600 {path}")
    found = _parse(content)
    if found is None:
        raise UsageError(f"{path} is no master key; make one with `ecitizen gp keys new`")
    kvn, key = found
    try:
        return DiversifiedKeys(key, kvn=kvn)
    finally:
        key.wipe()


def _parse(content: bytes) -> tuple[int, KeyBytes] | None:
    """Version and master key; None if the file is none of ours."""
    try:
        value = json.loads(content)
        kind, version, kvn = value["kind"], value["schema_version"], value["kvn"]
        key = KeyBytes(bytes.fromhex(value["key"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    fits = type(kvn) is int and 0 < kvn <= KVN_MAX and len(key) in KEY_LENS
    return (kvn, key) if (kind, version) == (KIND, 1) and fits else None
