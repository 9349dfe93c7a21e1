"""Files encrypted for the holders of certificates, and opened with their keys: CMS of any length in flat memory.

AES-256-GCM in AuthEnvelopedData is what is written (RFC 5083, 5084): an altered message does not open. AES-256-CBC in
EnvelopedData (RFC 5652, 6; RFC 3565) is there for software that knows nothing better, and says nothing about
alterations; `ContentCipher.AES_256_CBC` must be asked for by name.

    encrypt_file("letter.pdf", "letter.p7m", [certificate], moment=now)
    decrypt_file("letter.p7m", "letter.pdf", [RecipientKey(certificate, agreement=card_key)])
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ecitizen.errors import FileFailed, UsageError
from ecitizen.model import BilingualText

from .certificates import certified_key, load_certificate
from .der import (
    CONTEXT,
    CONTEXT_CONSTRUCTED,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    Reader,
    der,
    head,
    integer,
    octet_string,
    oid,
    sequence,
    set_of,
)
from .envelope_errors import NotARecipient, NotOpened
from .envelope_files import reading, whole_file
from .envelope_reading import (
    GCM_CONTENT_MAX_LEN,
    OID_AUTH_ENVELOPED_DATA,
    OID_DATA,
    OID_ENVELOPED_DATA,
    STANDARD_BOUNDS,
    Envelope,
    EnvelopeBounds,
    content_pieces,
    read_envelope,
)
from .envelope_recipients import (
    OID_RSA_PKCS1,
    Agreed,
    Recipient,
    RecipientId,
    RecipientKey,
    Transported,
    content_key,
    read_recipient,
    recipient_info,
)
from .envelope_words import words
from .errors import KeyUnsupported, Malformed
from .keys import load_public_key

if TYPE_CHECKING:
    from .path import PathReport
    from .trust import TrustStore

__all__ = [
    "ContentCipher",
    "EnvelopeBounds",
    "Opened",
    "RecipientId",
    "RecipientKey",
    "check_recipient",
    "decrypt",
    "decrypt_file",
    "encrypt",
    "encrypt_file",
    "recipients_of",
]


@unique
class ContentCipher(StrEnum):
    """How content is encrypted here."""

    AES_256_GCM = "aes-256-gcm"
    AES_256_CBC = "aes-256-cbc"
    """Without protection against alteration."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What came out of an encrypted message."""

    content_len: int
    """Bytes of the plaintext."""
    authenticated: bool
    """False: nobody can tell whether the content is what the sender encrypted."""
    cipher: str
    """`aes-256-gcm`, `aes-128-cbc`..."""
    recipient: RecipientId
    """The one whose key opened it."""
    warnings: tuple[BilingualText, ...] = ()
    """What the holder should know about the message."""


_NONCE_LEN: Final = 12
_TAG_LEN: Final = 16
_TAG_LENS: Final = frozenset({12, 13, 14, 15, 16})
"""Of authentication tags (RFC 5084, 3.2)."""
_NONCE_LENS: Final = range(8, 65)
_BLOCK_LEN: Final = 16
_KEY_LEN: Final = 32
_PIECE_LEN: Final = 1 << 18
_STRING_LEN: Final = 1 << 16
"""Bytes of each piece of a content whose length is not known when the message begins."""

_CIPHERS: Final = MappingProxyType(
    {
        oid("2.16.840.1.101.3.4.1.2"): ("aes-128-cbc", 16),
        oid("2.16.840.1.101.3.4.1.22"): ("aes-192-cbc", 24),
        oid("2.16.840.1.101.3.4.1.42"): ("aes-256-cbc", 32),
        oid("2.16.840.1.101.3.4.1.6"): ("aes-128-gcm", 16),
        oid("2.16.840.1.101.3.4.1.26"): ("aes-192-gcm", 24),
        oid("2.16.840.1.101.3.4.1.46"): ("aes-256-gcm", 32),
    }
)
"""Content encryption to its name and the bytes of its key (NIST CSOR; RFC 3565, 4.1; RFC 5084, 3.2)."""
_CIPHER_OIDS: Final = MappingProxyType({name: identifier for identifier, (name, _) in _CIPHERS.items()})


# Encrypting


def check_recipient(certificate: bytes, *, moment: datetime, trust: "TrustStore | None" = None) -> "PathReport | None":
    """Make sure that something may be encrypted for this certificate (DER) at `moment`.

    It must be in force, and its key usage, if it has one, must allow key encipherment (RSA) or key agreement (EC). With
    `trust` its path is validated too, and the report is given. Raise UsageError for a certificate that won't do,
    Malformed for what is none, KeyUnsupported for another kind of key.
    """
    loaded = load_certificate(certificate)
    public = load_public_key(certified_key(certificate))
    if not loaded.not_valid_before_utc <= moment.astimezone(UTC) <= loaded.not_valid_after_utc:
        raise UsageError("the recipient's certificate is not in force; get the one that is")
    try:
        usage = loaded.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        pass  # RFC 5280, 4.2.1.3: then nothing is forbidden
    else:
        if not (usage.key_encipherment if isinstance(public, rsa.RSAPublicKey) else usage.key_agreement):
            raise UsageError(
                "the recipient's certificate is not for encryption; ask for the one that is, on a card that of slot 9D"
            )
    if trust is None:
        return None
    from .path import Verdict  # late: the validator is slow to import

    report = trust.check(certificate, moment=moment)
    if report.verdict is not Verdict.VALID:
        raise UsageError(
            f"the recipient's certificate is not to be trusted: {report.verdict}; nothing was encrypted. Get another "
            "one, or fetch revocation data with `ecitizen trust fetch`"
        )
    return report


def encrypt_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    recipients: Sequence[bytes],
    *,
    moment: datetime,
    trust: "TrustStore | None" = None,
    cipher: ContentCipher = ContentCipher.AES_256_GCM,
) -> None:
    """Encrypt a file for the certificates of its recipients (DER), each of whom can open it with the own key.

    The target appears when it is whole. Raise what `check_recipient` and `encrypt` raise, and FileFailed.
    """
    for certificate in recipients:
        check_recipient(certificate, moment=moment, trust=trust)
    with reading(source) as plain:
        size = plain.seek(0, os.SEEK_END) if plain.seekable() else None
        if size is not None:
            plain.seek(0)
        with whole_file(target) as out:
            encrypt(plain, out, recipients, size=size, cipher=cipher)


def encrypt(
    source: BinaryIO,
    target: BinaryIO,
    recipients: Sequence[bytes],
    *,
    size: int | None,
    cipher: ContentCipher = ContentCipher.AES_256_GCM,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> None:
    """Encrypt a stream for certificates (DER) that were found good, into a stream.

    With `size`, the bytes that will come, the message is DER; with None its lengths are indefinite. Raise UsageError
    without recipients or for more than AES-GCM may encrypt, FileFailed if another number of bytes came, Malformed or
    KeyUnsupported for a certificate of no use.
    """
    if not recipients or len(recipients) > STANDARD_BOUNDS.recipients_max:
        raise UsageError(f"a message has 1 to {STANDARD_BOUNDS.recipients_max} recipients")
    if size is not None:
        _check_len(size)
    key = random_bytes(_KEY_LEN)
    infos = [recipient_info(certificate, key) for certificate in recipients]
    pieces = _counted(source, size)
    if cipher is ContentCipher.AES_256_GCM:
        vector = random_bytes(_NONCE_LEN)
        sealing = Cipher(algorithms.AES(key), modes.GCM(vector)).encryptor()
        identifier = sequence(_CIPHER_OIDS[cipher], sequence(octet_string(vector), integer(_TAG_LEN)))
        tail = head(TAG_OCTET_STRING, _TAG_LEN)
        frame = _Frame(OID_AUTH_ENVELOPED_DATA, 0, set_of(infos), identifier, size, tail, _TAG_LEN)
        frame.begin(target)
        for piece in pieces:
            frame.write(target, sealing.update(piece))
        sealing.finalize()
        frame.end(target, sealing.tag)
        return
    vector = random_bytes(_BLOCK_LEN)
    padder = PKCS7(_BLOCK_LEN * 8).padder()
    hiding = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    identifier = sequence(_CIPHER_OIDS[cipher], octet_string(vector))
    padded_len = None if size is None else size - size % _BLOCK_LEN + _BLOCK_LEN
    version = 0 if all(info[0] == TAG_SEQUENCE for info in infos) else 2  # RFC 5652, 6.1
    frame = _Frame(OID_ENVELOPED_DATA, version, set_of(infos), identifier, padded_len)
    frame.begin(target)
    for piece in pieces:
        frame.write(target, hiding.update(padder.update(piece)))
    frame.write(target, hiding.update(padder.finalize()) + hiding.finalize())
    frame.end(target)


def _counted(source: BinaryIO, size: int | None) -> Iterator[bytes]:
    """What there is to encrypt, piece by piece; raise if it is too much, or not what was announced."""
    count = 0
    while piece := source.read(_PIECE_LEN):
        count += len(piece)
        if size is not None and count > size:
            break
        _check_len(count)
        yield piece
    if size is not None and count != size:
        raise FileFailed("the file changed while it was encrypted; do it again when nobody writes to it")


def _check_len(count: int) -> None:
    if count > GCM_CONTENT_MAX_LEN:
        raise UsageError("more than 64 GiB can't be encrypted in one message; divide it")


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around an encrypted content: with lengths if that of the content is known, otherwise with marks."""

    kind: str
    version: int
    recipients: bytes
    cipher: bytes
    content_len: int | None
    tail_head: bytes = b""
    tail_len: int = 0

    def begin(self, target: BinaryIO) -> None:
        """Write all that comes before the content."""
        info = oid(OID_DATA) + self.cipher
        inner = integer(self.version) + self.recipients
        if self.content_len is None:
            marks = (bytes((tag, 0x80)) for tag in (TAG_SEQUENCE, CONTEXT_CONSTRUCTED, TAG_SEQUENCE))
            outer, explicit, body = marks
            start = outer + oid(self.kind) + explicit + body + inner + body + info + explicit
        else:
            content = head(CONTEXT, self.content_len)
            info_head = head(TAG_SEQUENCE, len(info) + len(content) + self.content_len)
            length = len(inner) + len(info_head) + len(info) + len(content) + self.content_len
            body = head(TAG_SEQUENCE, length + len(self.tail_head) + self.tail_len)
            length += len(self.tail_head) + self.tail_len + len(body)
            explicit = head(CONTEXT_CONSTRUCTED, length)
            kind = oid(self.kind)
            outer = head(TAG_SEQUENCE, len(kind) + len(explicit) + length)
            start = outer + kind + explicit + body + inner + info_head + info + content
        target.write(start)

    def write(self, target: BinaryIO, encrypted: bytes) -> None:
        """Write a piece of the content."""
        if self.content_len is not None:
            target.write(encrypted)
        elif encrypted:
            target.write(der(TAG_OCTET_STRING, encrypted))

    def end(self, target: BinaryIO, tail: bytes = b"") -> None:
        """Write all that comes behind it."""
        marks = (0, 0) if self.content_len is not None else (2, 3)  # how many values end before the tail, and behind
        target.write(bytes(2 * marks[0]) + self.tail_head + tail + bytes(2 * marks[1]))


# Opening


def recipients_of(source: BinaryIO, bounds: EnvelopeBounds = STANDARD_BOUNDS) -> tuple[RecipientId, ...]:
    """Whom a message was encrypted for, in its order; without opening it. Raises what `decrypt` raises of its form."""
    return tuple(recipient.recipient for recipient in _recipients(read_envelope(source, bounds), bounds))


def decrypt_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    keys: Iterable[RecipientKey],
    *,
    bounds: EnvelopeBounds = STANDARD_BOUNDS,
) -> Opened:
    """Open an encrypted file with one of these keys.

    The plaintext is for its owner's eyes only (mode 0600) and gets its name when it has proven to be what the sender
    encrypted; CBC proves nothing, which `Opened.authenticated` and a warning say. Raise what `decrypt` raises, and
    FileFailed, also if the target exists.
    """
    with reading(source) as sealed, whole_file(target) as out:
        return decrypt(sealed, out, keys, bounds=bounds)


def decrypt(
    source: BinaryIO,
    target: BinaryIO,
    keys: Iterable[RecipientKey],
    *,
    bounds: EnvelopeBounds = STANDARD_BOUNDS,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Opened:
    """Open a message (DER or BER) in a seekable stream into a stream.

    What has been written is worth nothing if this raises: throw it away. The first key that the message names is used
    once, after the whole message was found to be well formed. Raise Malformed for what is no message, NotARecipient if
    it names none of the keys, KeyUnsupported for what is not known here, NotOpened, without a word about why, if it
    was altered, and what the key raises (a wrong PIN, a card that was removed).
    """
    envelope = read_envelope(source, bounds)
    cipher = _ContentCipher.read(envelope)
    recipient, key = _match(_recipients(envelope, bounds), keys)
    found = content_key(recipient, key)
    if found is None or len(found) != cipher.key_len:
        # Go on with a key that is none: to a sender who tries out ciphertexts, this and a wrong tag look the same.
        found = random_bytes(cipher.key_len)
    pieces = content_pieces(source, envelope, bounds)
    count = 0
    for piece in cipher.opened(found, pieces, envelope):
        target.write(piece)
        count += len(piece)
    return Opened(count, envelope.authenticated, cipher.name, recipient.recipient, _warnings(envelope, recipient))


def _recipients(envelope: Envelope, bounds: EnvelopeBounds) -> tuple[Recipient, ...]:
    found = [recipient for info in envelope.recipients for recipient in read_recipient(info)]
    if len(found) > bounds.recipients_max:
        raise KeyUnsupported(f"the message has more than {bounds.recipients_max} recipients, and is not opened")
    return tuple(found)


def _match(recipients: Sequence[Recipient], keys: Iterable[RecipientKey]) -> tuple[Recipient, RecipientKey]:
    for key in keys:
        for recipient in recipients:
            if recipient.recipient.names(key.certificate):
                return recipient, key
    raise NotARecipient(
        "the message was not encrypted for any of these keys; use the card or key that it was encrypted for"
        if recipients
        else "the message was not encrypted for certificates, but by a password or a shared key"
    )


def _warnings(envelope: Envelope, recipient: Recipient) -> tuple[BilingualText, ...]:
    said = []
    if not envelope.authenticated:
        said.append("not_authenticated")
    if envelope.content_type != oid(OID_DATA):
        said.append("not_plain_data")
    kind = Reader(recipient.algorithm).inside().element(TAG_OID)
    if isinstance(recipient, Transported) and kind == oid(OID_RSA_PKCS1):
        said.append("old_padding")
    if isinstance(recipient, Agreed) and kind == oid("1.3.133.16.840.63.0.2"):
        said.append("weak_derivation")
    return tuple(words(name) for name in said)


@dataclass(frozen=True, slots=True)
class _ContentCipher:
    """The cipher of a message and its parameters."""

    name: str
    key_len: int
    vector: bytes

    @classmethod
    def read(cls, envelope: Envelope) -> "_ContentCipher":
        fields = Reader(envelope.cipher).inside()
        known = _CIPHERS.get(fields.element(TAG_OID))
        if known is None or known[0].endswith("-gcm") is not envelope.authenticated:
            raise KeyUnsupported(
                "the content was encrypted in a way that is not opened here; ask for AES-256-GCM (AuthEnvelopedData)"
            )
        if not envelope.authenticated:
            vector = fields.content(TAG_OCTET_STRING)
            if len(vector) != _BLOCK_LEN:
                raise Malformed("the content cipher's initialization vector has the wrong length")
            if not envelope.content_len or envelope.content_len % _BLOCK_LEN:
                raise Malformed("the encrypted content is not made of whole blocks; get the file again")
            return cls(*known, vector)
        parameters = fields.inside()
        vector = parameters.content(TAG_OCTET_STRING)
        tag_len = parameters.integer() if parameters.more else 12
        if tag_len not in _TAG_LENS or len(envelope.mac) != tag_len or len(vector) not in _NONCE_LENS:
            raise Malformed("the content cipher's nonce or authentication tag has the wrong length")
        return cls(*known, vector)

    def opened(self, key: bytes, pieces: Iterator[bytes], envelope: Envelope) -> Iterator[bytes]:
        """The plaintext; only when this has ended without NotOpened was it the right key and nothing altered."""
        if envelope.authenticated:
            mode = modes.GCM(self.vector, envelope.mac, min_tag_length=len(envelope.mac))
            opening = Cipher(algorithms.AES(key), mode).decryptor()
            opening.authenticate_additional_data(envelope.attributes)
            for piece in pieces:
                yield opening.update(piece)
            try:
                yield opening.finalize()
            except InvalidTag:
                raise _not_opened() from None
            return
        showing = Cipher(algorithms.AES(key), modes.CBC(self.vector)).decryptor()
        unpadder = PKCS7(_BLOCK_LEN * 8).unpadder()
        for piece in pieces:
            yield unpadder.update(showing.update(piece))
        try:
            yield unpadder.update(showing.finalize()) + unpadder.finalize()
        except ValueError:
            raise _not_opened() from None


def _not_opened() -> NotOpened:
    return NotOpened("the message does not open: it was altered, or not made for this key; have it sent again")
