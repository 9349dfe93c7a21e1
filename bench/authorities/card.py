"""`verify_card` in milliseconds, beside the bare cryptography that such a verification needs.

The bare part is: for each application two certificates with their authority's, the authority's and the root's
revocation lists, the signature over the data, all hashes; and one answer to a challenge. Each is a call of
`cryptography` on objects that are parsed already, and each distinct signature is checked once.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cardapps.hierarchy import Hierarchy
from cardapps.sample_cards import sealed_card
from cardapps.seal_files import APPLICATION_CERTIFICATE, SECURITY_OBJECT
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.read_card import read_card
from ecitizen.usecases.verify_card import verify_card
from pki.data_security import SecurityObject, check_signature, open_security_object
from pki.pem import der_from

PERSONAS = ("somchai", "wanida")
ROUNDS = 30


def milliseconds(what: Callable[[], object], rounds: int = ROUNDS) -> float:
    what()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _certificate(path: Path) -> x509.Certificate:
    (der,) = der_from(path.read_bytes(), "CERTIFICATE")
    return x509.load_der_x509_certificate(der)


class Bare:
    """The signatures and hashes of one card, parsed and ready."""

    def __init__(self, sections: dict[str, dict[str, object]], trust: Path) -> None:
        root = _certificate(trust / "anchors" / "root.pem")
        issuers = {each.subject: each for each in map(_certificate, (trust / "issuers").iterdir())}
        crls = [x509.load_der_x509_crl(path.read_bytes()) for path in (trust / "crls").iterdir()]
        self.seals: list[SecurityObject] = []
        links: dict[bytes, tuple[x509.Certificate, x509.Certificate]] = {}
        used = {root.subject}
        for memory in sections.values():
            content = memory.get(SECURITY_OBJECT)
            if not isinstance(content, bytes):
                continue
            self.seals.append(open_security_object(content))
            der = memory[APPLICATION_CERTIFICATE]
            assert isinstance(der, bytes)
            for leaf in (self.seals[-1].certificate, der):
                certificate = x509.load_der_x509_certificate(leaf)
                issuer = issuers[certificate.issuer]
                used.add(issuer.subject)
                links[leaf] = (certificate, issuer)
                links[issuer.signature] = (issuer, root)
        self.links = list(links.values())
        self.lists = [(crl, {**issuers, root.subject: root}[crl.issuer]) for crl in crls if crl.issuer in used]
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.answer = self.key.sign(b"challenge", ec.ECDSA(hashes.SHA256()))
        self.data = [bytes(100)] * 30 + [bytes(5000)]

    @property
    def signatures(self) -> int:
        return len(self.links) + len(self.lists) + len(self.seals) + 1

    def check(self) -> None:
        for certificate, issuer in self.links:
            certificate.verify_directly_issued_by(issuer)
        for crl, issuer in self.lists:
            assert crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # an authority's key signs
        for sealed in self.seals:
            check_signature(sealed)
        for data in self.data:
            digest = hashes.Hash(hashes.SHA256())
            digest.update(data)
            digest.finalize()
        self.key.public_key().verify(self.answer, b"challenge", ec.ECDSA(hashes.SHA256()))


def run() -> dict[str, Any]:
    print("A whole card verified")
    results = {}
    heads = f"{'read_card':>10} {'verify_card':>12} {'bare':>8} {'signatures':>11}"
    print(f"{'card':<10} {'link':<4} {'exchanges':>9} {heads}")
    with tempfile.TemporaryDirectory() as folder, Hierarchy.open(Path(folder) / "hierarchy") as hierarchy:
        for persona in PERSONAS:
            for protocol in CardProtocol:
                sections = sealed_card(find_persona(persona), protocol, hierarchy)
                card: Card = card_from_image(CardImage.in_memory(sections))
                bare = Bare(sections, hierarchy.trust_folder)
                found = verify_card(VirtualReader(card), trust=hierarchy.trust_folder)
                assert found.verdict == "genuine"
                row = {
                    "exchanges": found.reading.link.exchanges,
                    "read_card_ms": milliseconds(lambda card=card: read_card(VirtualReader(card))),
                    "verify_card_ms": milliseconds(
                        lambda card=card: verify_card(VirtualReader(card), trust=hierarchy.trust_folder)
                    ),
                    "bare_ms": milliseconds(bare.check),
                    "signatures": bare.signatures,
                }
                results[f"{persona} {protocol}"] = row
                print(
                    f"{persona:<10} {protocol!s:<4} {row['exchanges']:>9} {row['read_card_ms']:>7.1f} ms "
                    f"{row['verify_card_ms']:>9.1f} ms {row['bare_ms']:>5.1f} ms {row['signatures']:>11}"
                )
    return results
