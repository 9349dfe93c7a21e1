"""Whole cards verified in this process: genuine ones, and every way of not being genuine that we could think of.

No card that was bent in any way may come out as genuine.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ecitizen
from cardapps.citizen_id import layout as citizen_layout
from cardapps.civil_servant import layout as servant_layout
from cardapps.hierarchy import Hierarchy
from cardapps.seal_files import APPLICATION_CERTIFICATE, SECURITY_OBJECT
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import AppNotFound, CardRemoved, ConfigError, UsageError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.read_card import read_card
from ecitizen.usecases.verify_card import verify_card
from ecitizen.verdict import CardVerdict, CheckResult
from pki.keys import generate_key, private_key_info
from pki.status import RevocationReason
from pki.store import Store
from tests.sealed_cards import Sections, Workshop, against, reader_with

T0, T1 = CardProtocol.T0, CardProtocol.T1
SEALED = ("citizen_id", "health_insurance", "card_admin")
KEY_9E, CERTIFICATE_9E = "key 9E", "object 5FC101"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    shop = Workshop(tmp_path_factory.mktemp("trust") / "hierarchy")
    yield shop
    shop.hierarchy.close()


# --- the personas ---


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("persona", ["somchai", "wanida", "vichai", "boonmee", "manop", "anong", "siriporn", "chai"])
def test_cards_of_ordinary_personas_are_genuine(workshop: Workshop, persona: str, protocol: CardProtocol) -> None:
    found = workshop.verify(workshop.card(persona, protocol))
    assert (found.verdict, against(found), found.test) == (CardVerdict.GENUINE, [], True)
    applications = find_persona(persona).applications
    for check in ("signature", "data", "signer", "binding", "certificate", "challenge"):
        passed = {each.application for each in found.findings if (each.check, each.result) == (check, "passed")}
        assert passed == set(applications), check


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize(
    ("persona", "expected"),
    [
        ("altered", [("citizen_id", "data", "altered")]),
        ("cloned", [(name, "challenge", "cloned") for name in SEALED]),
        ("revoked", [(name, "certificate", "revoked") for name in SEALED]),
        ("expired", [("citizen_id", "expiry", "expired")]),
        ("untrusted", [(name, check, "untrusted") for name in SEALED for check in ("signer", "certificate")]),
        ("suspended", [("civil_servant", "certificate", "suspended")]),
        ("kla", [(name, "presence", "incomplete") for name in SEALED[1:] for _ in "12"]),
    ],
)
def test_each_bad_persona_is_what_it_is_named_after(
    workshop: Workshop, persona: str, expected: list[Any], protocol: CardProtocol
) -> None:
    found = workshop.verify(workshop.card(persona, protocol))
    assert found.verdict == find_persona(persona).condition.value
    assert against(found) == expected


def test_the_altered_field_is_named_and_the_revocation_has_its_time_and_reason(workshop: Workshop) -> None:
    (finding,) = (each for each in workshop.verify(workshop.card("altered")).findings if each.means)
    assert finding.evidence == {"fields": "expiry_date"}
    found = workshop.verify(workshop.card("revoked"))
    finding = next(each for each in found.findings if each.means)
    assert finding.evidence["reason"] == "cessation_of_operation"
    at = datetime.fromisoformat(finding.evidence["at"])
    assert timedelta(0) <= found.moment - at < timedelta(minutes=5)


def test_todays_card_is_unsigned(workshop: Workshop) -> None:
    for protocol in CardProtocol:
        sections: Sections = sections_for(find_persona("wanida"), protocol)
        found = workshop.verify(sections)
        assert found.verdict is CardVerdict.UNSIGNED
        assert {each.check for each in found.findings} == {"presence", "expiry"}
    assert verify_card(reader_with(sections), trust=None).verdict is CardVerdict.UNSIGNED


# --- what was read is what was judged ---


def test_the_answer_has_the_data_that_were_judged(workshop: Workshop) -> None:
    found = workshop.verify(workshop.card("wanida"))
    assert found.reading.applications == read_card(reader_with(workshop.card("wanida"))).applications


@pytest.mark.parametrize("protocol", CardProtocol)
def test_readers_notice_nothing_of_the_seals(workshop: Workshop, protocol: CardProtocol) -> None:
    """Every command of our reader and of foreign ones gets the same answer with and without them."""
    sealed = workshop.card("wanida", protocol)
    plain = {
        name: {key: value for key, value in memory.items() if key not in {SECURITY_OBJECT, APPLICATION_CERTIFICATE}}
        for name, memory in sealed.items()
    }
    cards = [Recorder(card_from_image(CardImage.in_memory(each))) for each in (sealed, plain)]
    for card in cards:
        read_card(VirtualReader(card))
        for aid in ("A000000054480001", "A000000054480083", "A000000084060002", "F045434954495A454E2D4353"):
            for command in (f"00A404000{len(aid) // 2:X}{aid}", f"00A404000{len(aid) // 2:X}{aid}00", "00C0000000"):
                card.transmit(bytes.fromhex(command))
            for command in ("80B0000402000D", "80B00011020064", "80B000110200640000", "00B0000000", "00B08100FF"):
                card.transmit(bytes.fromhex(command))
    assert cards[0].log == cards[1].log


class Recorder:
    """A card that keeps what was said."""

    def __init__(self, card: Card) -> None:
        self.protocol, self.power_on, self.power_off, self.reset = (
            card.protocol,
            card.power_on,
            card.power_off,
            card.reset,
        )
        self._card = card
        self.log: list[tuple[bytes, bytes]] = []

    def transmit(self, command: bytes) -> bytes:
        answer = self._card.transmit(command)
        self.log.append((command, answer))
        return answer


# --- time ---


def test_the_day_of_expiry_still_counts_in_thailand(workshop: Workshop) -> None:
    sections = workshop.card("somchai")  # until 14 April 2574 of the Buddhist era
    last = datetime(2031, 4, 14, 16, 59, 59, tzinfo=UTC)
    assert workshop.verify(sections, moment=last).verdict is CardVerdict.CANNOT_TELL  # the lists are too old for then
    assert workshop.verify(sections, moment=last + timedelta(seconds=1)).verdict is CardVerdict.EXPIRED


def test_at_other_times_certificates_or_lists_say_no(workshop: Workshop) -> None:
    sections = workshop.card("boonmee")  # lifelong
    now = datetime.now(UTC)
    for days, verdict in ((-1, "cannot-tell"), (6, "genuine"), (8, "cannot-tell"), (4100, "expired")):
        assert workshop.verify(sections, moment=now + timedelta(days=days)).verdict == verdict
    with pytest.raises(UsageError, match="time zone"):
        workshop.verify(sections, moment=datetime(2026, 11, 22))  # noqa: DTZ001 - that is the test


def test_a_missing_list_is_told_and_never_overlooked(workshop: Workshop, tmp_path: Path) -> None:
    import shutil

    trust = shutil.copytree(workshop.trust, tmp_path / "trust")
    (trust / "crls" / "interior.crl").unlink()
    found = workshop.verify(workshop.card(), trust=trust)
    assert found.verdict is CardVerdict.CANNOT_TELL
    doubts = {(each.application, each.check) for each in found.findings if each.result is CheckResult.UNKNOWN}
    assert doubts == {(name, check) for name in ("citizen_id", "card_admin") for check in ("signer", "certificate")}
    missing = {each.evidence["no_current_list_of"] for each in found.findings if each.result is CheckResult.UNKNOWN}
    assert missing == {"CN=Test Interior Authority,O=ecitizen test hierarchy,C=TH"}
    (trust / "crls" / "interior.crl").write_bytes((trust / "crls" / "health.crl").read_bytes())  # another agency's
    assert workshop.verify(workshop.card(), trust=trust).verdict is CardVerdict.CANNOT_TELL


# --- who may ---


def test_whom_nobody_trusts(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "trust").mkdir()
    for trust in (None, tmp_path / "trust"):
        found = workshop.verify(workshop.card(), trust=trust)
        assert (found.verdict, found.test) == (CardVerdict.UNTRUSTED, False)
    with pytest.raises(ConfigError, match="no trust directory"):
        workshop.verify(workshop.card(), trust=tmp_path / "nothing")


@pytest.mark.parametrize("taken", [SECURITY_OBJECT, APPLICATION_CERTIFICATE])
@pytest.mark.parametrize("other", ["health_insurance", "card_admin"])
def test_one_agencys_signature_is_worth_nothing_in_another_application(
    workshop: Workshop, other: str, taken: str
) -> None:
    """card_admin is even by the same authority: its purpose gives it away."""
    sections = workshop.card()
    sections["citizen_id"][taken] = sections[other][taken]
    found = workshop.verify(sections)
    assert found.verdict in {CardVerdict.ALTERED, CardVerdict.UNTRUSTED}
    check = "signer" if taken == SECURITY_OBJECT else "certificate"
    assert ("citizen_id", check, "untrusted") in against(found)


def test_an_authority_that_the_policy_does_not_name_speaks_for_nobody(workshop: Workshop, tmp_path: Path) -> None:
    import shutil

    trust = shutil.copytree(workshop.trust, tmp_path / "trust")
    policy = (trust / "policy.toml").read_text()
    (trust / "policy.toml").write_text(policy.replace("[application.citizen_id]", "[application.library_card]"))
    assert workshop.verify(workshop.card(), trust=trust).verdict is CardVerdict.UNTRUSTED
    (trust / "policy.toml").write_text("")
    assert workshop.verify(workshop.card(), trust=trust).verdict is CardVerdict.UNTRUSTED


# --- taken away ---


@pytest.mark.parametrize("name", SEALED)
@pytest.mark.parametrize(
    "gone", [{SECURITY_OBJECT}, {APPLICATION_CERTIFICATE}, {SECURITY_OBJECT, APPLICATION_CERTIFICATE}]
)
def test_some_sealed_and_some_not_is_incomplete(workshop: Workshop, name: str, gone: set[str]) -> None:
    sections = workshop.card()
    for key in gone:
        del sections[name][key]
    assert workshop.verify(sections).verdict is CardVerdict.INCOMPLETE


@pytest.mark.parametrize("blank", [b"", bytes(100), b"\xff" * 300])
def test_a_file_with_nothing_in_it_is_no_seal(workshop: Workshop, blank: bytes) -> None:
    sections = workshop.card()
    sections["citizen_id"][SECURITY_OBJECT] = blank
    assert workshop.verify(sections).verdict in {CardVerdict.INCOMPLETE, CardVerdict.CANNOT_TELL}


@pytest.mark.parametrize("gone", [{KEY_9E}, {KEY_9E, CERTIFICATE_9E}, {"all"}])
def test_seals_without_a_key_9e_are_incomplete(workshop: Workshop, gone: set[str]) -> None:
    sections = workshop.card()
    if gone == {"all"}:
        del sections["piv"]
        sections["card"]["applets"] = [name for name in sections["card"]["applets"] if name != "piv"]
    for key in gone - {"all"}:
        del sections["piv"][key]
    found = workshop.verify(sections)
    assert found.verdict is CardVerdict.INCOMPLETE
    assert {check for _, check, _ in against(found)} == {"challenge"}


# --- copies ---


@pytest.mark.parametrize("algorithm", ["p256", "p384", "rsa2048"])
@pytest.mark.parametrize("extensions", [True, False])
def test_another_key_is_a_clone_of_whatever_kind_it_is(workshop: Workshop, algorithm: str, extensions: bool) -> None:
    from cardapps.piv.layout import KEY_ALGORITHM_IDS
    from ecitizen.algorithms import KeyAlgorithm

    kind = KeyAlgorithm(algorithm)
    sections = workshop.card()
    private = private_key_info(generate_key(kind)).reveal()
    sections["piv"][KEY_9E] |= {"algorithm": int(KEY_ALGORITHM_IDS[kind]), "private": private}
    sections["piv"]["extensions"] = extensions
    found = workshop.verify(sections)
    assert found.verdict is CardVerdict.CLONED
    assert {check for _, check, _ in against(found)} == {"challenge"}


def test_data_of_another_card_are_a_copy_even_with_its_key(workshop: Workshop) -> None:
    sections = workshop.card()
    sections["card"]["cplc"] = bytes(42)
    found = workshop.verify(sections)
    assert found.verdict is CardVerdict.CLONED
    assert {check for _, check, _ in against(found)} == {"binding"}


def test_one_application_from_another_persons_card(workshop: Workshop) -> None:
    sections = workshop.card()
    sections["health_insurance"] = workshop.card("wanida")["health_insurance"]
    found = workshop.verify(sections)
    assert found.verdict is CardVerdict.CLONED
    assert {name for name, _, _ in against(found)} == {"health_insurance"}


def test_seal_of_one_card_with_the_certificate_of_another(workshop: Workshop) -> None:
    sections = workshop.card()
    other = workshop.make("somchai", T1)  # the same chip serial, another key
    sections["citizen_id"][SECURITY_OBJECT] = other["citizen_id"][SECURITY_OBJECT]
    found = workshop.verify(sections)
    assert against(found) == [("citizen_id", "binding", "cloned")]


def test_an_answer_to_another_challenge_is_no_answer(workshop: Workshop) -> None:
    """A card that replays what a genuine card once signed."""
    genuine = Recorder(card_from_image(CardImage.in_memory(workshop.card())))
    assert verify_card(VirtualReader(genuine), trust=workshop.trust).verdict is CardVerdict.GENUINE
    answers = [answer for command, answer in genuine.log if command[1] == 0x87]
    assert len(answers) == 1

    class Replaying(Recorder):
        def transmit(self, command: bytes) -> bytes:
            answer = super().transmit(command)
            return answers[0] if command[1] == 0x87 else answer

    replay = Replaying(card_from_image(CardImage.in_memory(workshop.card())))
    assert verify_card(VirtualReader(replay), trust=workshop.trust).verdict is CardVerdict.CLONED


def test_challenges_are_fresh_and_long(workshop: Workshop) -> None:
    asked: list[int] = []

    def chance(count: int) -> bytes:
        asked.append(count)
        return b"\x07" * count

    found = verify_card(reader_with(workshop.card()), trust=workshop.trust, random_bytes=chance)
    assert found.verdict is CardVerdict.GENUINE
    assert max(asked) >= 32


# --- altered ---


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_byte_of_a_field_can_be_changed(workshop: Workshop, data: st.DataObject) -> None:
    sections = workshop.card("wanida")
    fields = [*citizen_layout.TEXT_FIELDS_0003, replace(citizen_layout.PHOTO_0003, length=4960)]
    field = data.draw(st.sampled_from(fields))
    at = field.offset + data.draw(st.integers(0, field.length - 1))
    block = bytearray(sections["citizen_id"]["block0"])
    block[at] ^= data.draw(st.integers(1, 255))
    sections["citizen_id"]["block0"] = bytes(block)
    found = workshop.verify(sections)
    assert found.verdict is CardVerdict.ALTERED
    changed = next(each for each in found.findings if each.means is CardVerdict.ALTERED)
    assert field.name in changed.evidence["fields"].split(", ")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_byte_of_the_officials_data_can_be_changed(workshop: Workshop, data: st.DataObject) -> None:
    sections = workshop.card("wanida")
    officer = bytearray(sections["civil_servant"]["officer"])
    officer[data.draw(st.integers(0, len(officer) - 1))] ^= data.draw(st.integers(1, 255))
    sections["civil_servant"]["officer"] = bytes(officer)
    assert workshop.verify(sections).verdict in {CardVerdict.ALTERED, CardVerdict.CANNOT_TELL}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("tag", [0xC8, 0xC7, 0xE4])
def test_no_object_can_be_added_to_the_officials_data(workshop: Workshop, tag: int, first: bool) -> None:
    """Not a second one of a field's tag, wherever it stands, which some reader would take; nor an unknown one."""
    sections = workshop.card("wanida")
    template = tlv.parse_one(sections["civil_servant"]["officer"])
    added = tlv.encode(tag, b"\x01" if tag == 0xC8 else b"")
    value = added + template.value if first else template.value + added
    sections["civil_servant"]["officer"] = tlv.encode(servant_layout.TAG_OFFICER, value)
    found = workshop.verify(sections)
    assert found.verdict is CardVerdict.ALTERED


def test_a_portrait_can_not_be_put_onto_a_card_that_was_sealed_without(workshop: Workshop) -> None:
    sections = workshop.card("kla")
    block = bytearray(sections["citizen_id"]["block0"])
    block[0x017B : 0x017B + 4] = b"\xff\xd8\xff\xd9"
    sections["citizen_id"]["block0"] = bytes(block)
    assert ("citizen_id", "data", "altered") in against(workshop.verify(sections))


def test_padding_behind_the_portrait_does_not_matter(workshop: Workshop) -> None:
    sections = workshop.card()
    block = bytearray(sections["citizen_id"]["block0"])
    block[0x017B + 4960 : 0x017B + 5118] = bytes(158)
    sections["citizen_id"]["block0"] = bytes(block)
    assert workshop.verify(sections).verdict is CardVerdict.GENUINE


@pytest.mark.parametrize("file", [SECURITY_OBJECT, APPLICATION_CERTIFICATE])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_byte_of_a_seal_can_be_changed(workshop: Workshop, file: str, data: st.DataObject) -> None:
    sections = workshop.card()
    content = bytearray(sections["health_insurance"][file])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    sections["health_insurance"][file] = bytes(content)
    assert workshop.verify(sections).verdict is not CardVerdict.GENUINE


@pytest.mark.parametrize("content", [b"\x30\x00", b"\x31\x03abc", b"\x30\x84\xff\xff\xff\xff", b"garbage" * 100])
@pytest.mark.parametrize("file", [SECURITY_OBJECT, APPLICATION_CERTIFICATE])
def test_rubbish_in_a_seal_is_an_alteration(workshop: Workshop, file: str, content: bytes) -> None:
    sections = workshop.card()
    sections["health_insurance"][file] = content
    assert workshop.verify(sections).verdict in {CardVerdict.ALTERED, CardVerdict.CANNOT_TELL, CardVerdict.INCOMPLETE}


# --- revoked, suspended ---


def test_a_lost_card_is_revoked_in_all_applications_and_one_suspended_official_in_one(tmp_path: Path) -> None:
    with Hierarchy.open(tmp_path / "hierarchy") as hierarchy:
        shop = Workshop.__new__(Workshop)
        shop.hierarchy, shop.trust = hierarchy, hierarchy.trust_folder
        sections = shop.make("wanida", T1)
        assert shop.verify(sections).verdict is CardVerdict.GENUINE
        serial = find_persona("wanida").chip_serial.hex().upper()
        hierarchy.suspend("civil_servant", serial)
        found = shop.verify(sections)
        assert (found.verdict, against(found)) == ("suspended", [("civil_servant", "certificate", "suspended")])
        hierarchy.revoke_card(serial, RevocationReason.KEY_COMPROMISE)
        found = shop.verify(sections)
        assert found.verdict is CardVerdict.REVOKED
        assert {name for name, _, _ in against(found)} == {*SEALED, "civil_servant"}
    with Store.open(tmp_path / "hierarchy" / "register.sqlite") as store:
        records = store.certificates_of_card(serial)
        assert {record.application for record in records} == {*SEALED, "civil_servant", "piv"}
        assert {store.status(each.authority, each.serial).state.value for each in records} == {"revoked"}


# --- cards that fail ---


@pytest.mark.parametrize("sw", [0x6982, 0x6986, 0x6A81, 0x6A82, 0x6A86, 0x6D00, 0x6E00, 0x6B00, 0x6700, 0x6F00])
def test_what_a_card_may_answer_that_has_no_such_files(workshop: Workshop, sw: int) -> None:
    class Refusing(Recorder):
        def transmit(self, command: bytes) -> bytes:
            if command[:2] == b"\x00\xb0" and command[2] in {0x9C, 0x9D}:
                return sw.to_bytes(2, "big")
            return super().transmit(command)

    card = Refusing(card_from_image(CardImage.in_memory(workshop.card("somchai", T0))))
    found = verify_card(VirtualReader(card), trust=workshop.trust)
    absent = sw >> 8 in {0x69, 0x6A, 0x6D, 0x6E}
    assert found.verdict is (CardVerdict.UNSIGNED if absent else CardVerdict.CANNOT_TELL)


def test_no_failure_at_any_exchange_makes_a_card_genuine_or_breaks_anything(workshop: Workshop) -> None:
    whole = Recorder(card_from_image(CardImage.in_memory(workshop.card("altered", T1))))
    verify_card(VirtualReader(whole), trust=workshop.trust)
    for failing in range(len(whole.log)):
        for answer in (b"\x6f\x00", b"\x90\x00", b"\x6a\x82", b""):

            class Failing(Recorder):
                def transmit(self, command: bytes) -> bytes:
                    said = super().transmit(command)
                    return answer if len(self.log) == failing + 1 else said  # noqa: B023 - used within the turn

            card = Failing(card_from_image(CardImage.in_memory(workshop.card("altered", T1))))
            found = verify_card(VirtualReader(card), trust=workshop.trust)
            shown = found.reading.citizen_id is not None
            assert found.verdict is not CardVerdict.GENUINE or not shown, (failing, answer)


def test_a_card_that_is_pulled_out(workshop: Workshop) -> None:
    whole = Recorder(card_from_image(CardImage.in_memory(workshop.card())))
    verify_card(VirtualReader(whole), trust=workshop.trust)
    for left in range(len(whole.log) - 1):  # whoever pulls it out after the last answer is too late
        reader = VirtualReader()

        class Leaving(Recorder):
            def transmit(self, command: bytes) -> bytes:
                if len(self.log) == left:  # noqa: B023 - used within the turn
                    reader.remove()  # noqa: B023
                return super().transmit(command)

        reader.insert(Leaving(card_from_image(CardImage.in_memory(workshop.card()))))
        with pytest.raises(CardRemoved):
            verify_card(reader, trust=workshop.trust)


def test_a_card_of_others(workshop: Workshop) -> None:
    with pytest.raises(AppNotFound):
        ecitizen.verify_card(VirtualReader(Silent()), trust=workshop.trust)


class Silent:
    """A card without anything."""

    protocol = T1

    def power_on(self) -> bytes:
        return b"\x3b\x00"

    def reset(self) -> bytes:
        return b"\x3b\x00"

    def power_off(self) -> None:
        pass

    def transmit(self, command: bytes) -> bytes:
        return b"\x6a\x82"
