"""OpenSSL on what is on a sealed card, and the verification through the real PC/SC stack."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cardapps.seal_files import APPLICATION_CERTIFICATE, SECURITY_OBJECT
from ecitizen.apps import installed_drivers
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import card_from_image
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.usecases.verify_card import verify_card
from pki.data_security import open_security_object
from tests.sealed_cards import Workshop

APPLICATIONS = [driver.name for driver in installed_drivers()]
AUTHORITIES = {
    "citizen_id": "interior",
    "card_admin": "interior",
    "health_insurance": "health",
    "civil_servant": "civil-service",
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    shop = Workshop(tmp_path_factory.mktemp("trust") / "hierarchy")
    yield shop
    shop.hierarchy.close()


@pytest.fixture(scope="module")
def openssl(foreign_program: Callable[[str], str]) -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    program = foreign_program("openssl")

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[bytes]":
        command = [program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, check=False, timeout=60)

    return run


@pytest.mark.parametrize("name", APPLICATIONS)
def test_openssl_verifies_a_security_object_and_finds_every_change(
    workshop: Workshop, openssl: Callable[..., "subprocess.CompletedProcess[bytes]"], tmp_path: Path, name: str
) -> None:
    content = workshop.card("wanida")[name][SECURITY_OBJECT]
    trust = workshop.trust
    file, out, chain = tmp_path / "object.der", tmp_path / "content.der", tmp_path / "chain.pem"
    issuer = trust / "issuers" / f"{AUTHORITIES[name]}.pem"
    chain.write_bytes((trust / "anchors" / "root.pem").read_bytes() + issuer.read_bytes())
    command = (
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", file, "-out", out),
        *("-purpose", "any", "-CAfile", chain),
    )
    file.write_bytes(content)
    done = openssl(*command)
    assert (done.returncode, b"successful" in done.stderr) == (0, True), done.stderr
    sealed = open_security_object(content)
    assert out.read_bytes() == sealed.content
    shown = openssl("asn1parse", "-inform", "DER", "-in", out)
    assert shown.returncode == 0
    assert all(value.hex().upper().encode() in shown.stdout for value in sealed.hashes.values())
    at = content.index(sealed.hashes[1])
    file.write_bytes(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
    assert openssl(*command).returncode != 0


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("what", ["signer", "certificate"])
def test_openssl_verifies_the_certificates_and_their_status(
    workshop: Workshop,
    openssl: Callable[..., "subprocess.CompletedProcess[bytes]"],
    tmp_path: Path,
    name: str,
    what: str,
) -> None:
    sections = workshop.card("wanida")
    sealed = open_security_object(sections[name][SECURITY_OBJECT])
    der = sealed.certificate if what == "signer" else sections[name][APPLICATION_CERTIFICATE]
    file = tmp_path / "certificate.der"
    file.write_bytes(der)
    trust = workshop.trust
    lists = [trust / "crls" / f"{each}.crl" for each in ("root", AUTHORITIES[name])]
    done = openssl(
        *("verify", "-x509_strict", "-crl_check_all", "-extended_crl"),
        *("-CAfile", trust / "anchors" / "root.pem", "-untrusted", trust / "issuers" / f"{AUTHORITIES[name]}.pem"),
        *(option for each in lists for option in ("-CRLfile", each)),
        file,
    )
    assert done.stdout.endswith(b": OK\n"), done.stderr


@pytest.mark.parametrize("persona", ["wanida", "altered", "cloned"])
@pytest.mark.parametrize("protocol", CardProtocol)
def test_a_card_is_verified_through_pcsc(
    workshop: Workshop,
    insert: Callable[..., AbstractContextManager[tuple[str, ...]]],
    persona: str,
    protocol: CardProtocol,
) -> None:
    card = card_from_image(CardImage.in_memory(workshop.card(persona, protocol)))
    with insert(card) as (reader,):
        found = verify_card(reader, trust=workshop.trust, wait=5.0)
    assert found.verdict == ("genuine" if persona == "wanida" else persona)
    assert found.reading.link.protocol == str(protocol)
