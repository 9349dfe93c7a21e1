"""The signature that goes into a PDF: CMS as PAdES wants it, by one use of the key (ETSI EN 319 142-1, 5.3 and 6.3).

It is like the one of CAdES, but for the time by the signer's clock, which stands in the document and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from asn1crypto import algos, x509
from pyhanko.sign.signers.pdf_cms import ExternalSigner

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .algorithm_identifiers import hash_identifier
from .certificate_parts import certificate_parts
from .cms_algorithms import written_signature
from .cms_attributes import signed_attributes
from .cms_forms import (
    DATA,
    SIGNATURE_TIMESTAMP,
    SIGNING_TIME,
    SignedData,
    SignerInfo,
    read_attributes,
    signer_info_version,
)
from .cms_signing import checked_key, signed_once
from .der import set_of
from .keys import digest
from .pdf_library import SourceTimeStamper
from .signed import Show

_SIGNATURE_MAX_LEN: Final = 512
"""Bytes that are kept free for the signature itself: RSA of 4096 bits, and ECDSA with room to spare."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with its certificate and how it is going to sign."""

    signer: Signer = field(repr=False)
    certificate: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    algorithm: SignatureAlgorithm
    hash: HashAlgorithm
    moment: datetime
    show: Show | None = field(repr=False)

    @classmethod
    def of(
        cls,
        signer: Signer,
        certificate: bytes,
        chain: Sequence[bytes],
        *,
        algorithm: SignatureAlgorithm | None,
        moment: datetime,
        show: Show | None,
    ) -> "SigningKey":
        """Raise UsageError for a certificate of another key, and for what the key or readers of PDF don't do.

        `moment` is when it signs.
        """
        chosen = checked_key(signer, certificate, algorithm)
        if chosen.hash is None:
            raise UsageError("programs that read PDF don't check Ed25519; take a key of RSA, P-256 or P-384")
        return cls(signer, certificate, tuple(chain), chosen, chosen.hash, moment, show)

    def described(self) -> ExternalSigner:
        """The key as pyHanko wants to know it, which writes the document but no signature."""
        identifier: Any = algos.SignedDigestAlgorithm.load(written_signature(self.algorithm))
        return ExternalSigner(x509.Certificate.load(self.certificate), None, signature_mechanism=identifier)

    def room(self, stamper: SourceTimeStamper | None) -> int:
        """Bytes to keep free in the document. The timestamp authority is asked once for that, the key is not used.

        Raise what the authority raises.
        """
        made = len(self._written(bytes(self.hash.digest_len), bytes(_SIGNATURE_MAX_LEN), None))
        return made if stamper is None else made + stamper.room(self.hash)

    def sign(self, document_digest: bytes, stamper: SourceTimeStamper | None) -> bytes:
        """The signature over a document, DER; with a timestamp over it if there is an authority."""
        signature = signed_once(self.signer, self._attributes(document_digest), self.algorithm, self.show)
        token = None if stamper is None else stamper.token(digest(signature, self.hash), self.hash)
        return self._written(document_digest, signature, token)

    def _attributes(self, document_digest: bytes) -> bytes:
        """What is signed: all that CAdES has but the time."""
        written = signed_attributes(document_digest, self.certificate, self.algorithm, self.moment, DATA)
        return set_of(each.written for each in read_attributes(written) if each.type != SIGNING_TIME)

    def _written(self, document_digest: bytes, signature: bytes, token: bytes | None) -> bytes:
        parts = certificate_parts(self.certificate)
        attributes = self._attributes(document_digest)
        info = SignerInfo(
            signer_info_version(None),
            parts.issuer,
            parts.serial_number,
            None,
            hash_identifier(self.hash),
            attributes,
            written_signature(self.algorithm),
            signature,
            read_attributes(attributes),
            (),
        )
        if token is not None:
            info = info.with_unsigned(SIGNATURE_TIMESTAMP, token)
        return (
            SignedData((), DATA, None, (), (), ())
            .with_signers([info])
            .adding([self.certificate, *self.chain])
            .written()
        )
