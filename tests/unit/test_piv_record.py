"""What a sample PIV card holds, for every persona."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509

from cardapps.piv.applet import PivApplet
from cardapps.piv.layout import ObjectId, PinPolicy, Slot
from cardapps.piv.record import AUTHORITY_NAME, PivRecord, record_for
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona, installed_personas
from ecitizen.errors import UsageError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.ports import CertificateRequest
from ecitizen.testing import virtual_card
from pki.authority import Authority
from pki.keys import load_private_key, public_key_info

QUICK = dict.fromkeys((Slot.SIGNATURE, Slot.KEY_MANAGEMENT), KeyAlgorithm.P_256)
"""No RSA, which takes its time."""
MOMENT = datetime(2026, 11, 22, tzinfo=UTC)


def contents(record: PivRecord, tag: int) -> dict[int, bytes]:
    return {each.tag: each.value for each in tlv.parse(record.objects[tag])}


def certificate(record: PivRecord, slot: Slot) -> x509.Certificate:
    return x509.load_der_x509_certificate(contents(record, slot.certificate_object)[0x70])


def test_the_keys_that_a_card_has_by_default() -> None:
    record = record_for(find_persona("somchai"))
    found = {slot: (key.algorithm, key.pin_policy, key.origin) for slot, key in record.keys.items()}
    assert found == {
        Slot.AUTHENTICATION: (0x11, PinPolicy.ONCE, 1),
        Slot.SIGNATURE: (0x07, PinPolicy.ALWAYS, 1),
        Slot.KEY_MANAGEMENT: (0x07, PinPolicy.ONCE, 1),
        Slot.CARD_AUTHENTICATION: (0x11, PinPolicy.NEVER, 1),
        Slot.ATTESTATION: (0x11, PinPolicy.NEVER, 1),
    }


@pytest.mark.parametrize("name", sorted(installed_personas()))
def test_every_persona_can_have_one(name: str) -> None:
    record = record_for(find_persona(name), keys=QUICK)
    authority = x509.load_der_x509_certificate(record.authority)
    assert AUTHORITY_NAME in authority.subject.rfc4514_string()
    for slot, key in record.keys.items():
        if slot.certificate_object in record.objects:
            found = certificate(record, slot)
            found.verify_directly_issued_by(authority)
            assert public_key_info(load_private_key(key.private)) == public_key_info_of(found)
    assert Slot.CARD_AUTHENTICATION.certificate_object in record.objects
    image = CardImage.in_memory({"piv": PivApplet.personalise(record)})
    assert PivApplet(image.read("piv"), CardProtocol.T1).fci()


def public_key_info_of(found: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_person_without_a_name_has_keys_without_personal_certificates() -> None:
    record = record_for(replace(find_persona("somchai"), applications={}), keys=QUICK)
    certified = {slot for slot in record.keys if slot.certificate_object in record.objects}
    assert certified == {Slot.CARD_AUTHENTICATION, Slot.ATTESTATION}
    assert set(record.keys) == certified | {Slot.AUTHENTICATION, Slot.SIGNATURE, Slot.KEY_MANAGEMENT}


def test_what_can_be_read_without_a_pin_names_nobody_but_in_the_persons_certificates() -> None:
    persona = find_persona("somchai")
    record = record_for(persona, keys=QUICK)
    personal = {ObjectId.PRINTED_INFORMATION, *(slot.certificate_object for slot in list(Slot)[:3])}
    for tag, content in record.objects.items():
        assert b"1999900100425" not in content, "the citizen number stands nowhere"
        if tag not in personal:
            assert b"Somchai" not in content
            assert b"Chaingam" not in content


def test_the_objects_that_clients_want() -> None:
    random = bytes(range(1, 17))
    record = record_for(find_persona("somchai"), keys=QUICK, moment=MOMENT, random_bytes=lambda count: random[:count])
    assert set(record.objects) == {
        0x5FC101,
        0x5FC102,
        0x5FC105,
        0x5FC107,
        0x5FC109,
        0x5FC10A,
        0x5FC10B,
        0x5FC10C,
        0x5FFF01,
    }
    chuid = contents(record, 0x5FC102)
    assert chuid == {
        0x30: bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB"),
        0x34: random,
        0x35: b"20310414",
        0x3E: b"",
        0xFE: b"",
    }
    assert contents(record, 0x5FC107)[0xF0] == bytes.fromhex("A000000116FF02") + random[:14]
    assert contents(record, 0x5FC109) == {
        0x01: b"Chaingam, Somchai",
        0x04: b"2031APR14",
        0x05: b"412300A1B2010417",
        0x06: AUTHORITY_NAME.encode(),
        0xFE: b"",
    }
    assert contents(record, 0x5FC10C) == {0xC1: b"\0", 0xC2: b"\0", 0xFE: b""}
    assert (record.serial, record.extensions) == (0x00A1B201, True)


def expiry_dates(names: Iterable[str]) -> dict[str, bytes]:
    return {name: contents(record_for(find_persona(name), keys=QUICK, moment=MOMENT), 0x5FC102)[0x35] for name in names}


def test_the_card_ends_with_the_citizen_card() -> None:
    dates = expiry_dates(installed_personas())
    assert dates["somchai"] == b"20310414"
    assert dates["kla"] == b"20361122"
    lifelong = {
        name
        for name, persona in installed_personas().items()
        if getattr(getattr(persona.applications.get("citizen_id"), "expiry_date", None), "lifelong", False)
    }
    assert lifelong
    assert {dates[name] for name in lifelong} == {b"99991231"}
    for date in dates.values():
        assert len(date) == 8
        assert date.isdigit()


def test_other_keys_and_retired_ones() -> None:
    keys = {**QUICK, Slot.AUTHENTICATION: KeyAlgorithm.ED25519, Slot.RETIRED_1: KeyAlgorithm.X25519}
    record = record_for(find_persona("somchai"), keys=keys)
    assert (record.keys[Slot.AUTHENTICATION].algorithm, record.keys[Slot.RETIRED_1].algorithm) == (0xE0, 0xE1)
    assert contents(record, 0x5FC10C)[0xC1] == b"\1"
    assert 0x5FC10D in record.objects


def test_a_key_that_cannot_do_what_its_slot_is_for() -> None:
    with pytest.raises(UsageError, match="x25519"):
        record_for(find_persona("somchai"), keys={**QUICK, Slot.AUTHENTICATION: KeyAlgorithm.X25519})


def test_without_extensions_there_is_no_attestation() -> None:
    record = record_for(find_persona("somchai"), keys=QUICK, extensions=False)
    assert Slot.ATTESTATION not in record.keys
    assert 0x5FFF01 not in record.objects
    assert PivApplet.personalise(record)["extensions"] is False


def test_certificates_by_another_issuer() -> None:
    class Issuer:
        def __init__(self) -> None:
            self.authority = Authority.self_signed("another", moment=MOMENT)
            self.asked: list[CertificateRequest] = []

        @property
        def certificate(self) -> bytes:
            return self.authority.certificate

        def issue(self, request: CertificateRequest) -> bytes:
            self.asked.append(request)
            return self.authority.issue(request, moment=MOMENT)

    issuer = Issuer()
    record = record_for(find_persona("somchai"), keys=QUICK, issuer=issuer)
    assert [request.profile for request in issuer.asked] == [
        "authentication",
        "signature",
        "key_management",
        "card_authentication",
        "attestation",
    ]
    assert record.authority == issuer.certificate
    assert [request.citizen_number for request in issuer.asked] == ["1999900100425"] * 3 + [None] * 2
    assert [request.card_serial for request in issuer.asked] == [None] * 3 + ["412300A1B2010417"] * 2


def test_secrets_are_in_no_repr() -> None:
    record = record_for(find_persona("somchai"), keys=QUICK)
    for key in record.keys.values():
        assert repr(key.private)[2:40] not in repr(record)


@pytest.mark.parametrize("protocol", ["t0", "t1"])
def test_the_whole_card_attests_its_own_keys(protocol: str) -> None:
    card = virtual_card("somchai", protocol, piv=True)
    card.power_on()
    assert card.transmit(bytes.fromhex("00A4040005A000000308"))[-2:] in (b"\x90\x00", b"\x61\x47")
    assert card.transmit(bytes.fromhex("00F99A0000"))[-2] in (0x61, 0x90)
