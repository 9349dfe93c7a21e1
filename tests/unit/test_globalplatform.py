"""What a host sends to manage a card, byte by byte (Card Specification 2.3.1, 11), and what it makes of answers."""

from collections.abc import Callable
from typing import Any

import pytest

from ecitizen.errors import AppNotFound, CardProtocolError, DecodeError, EncodeError, StatusError, UsageError
from ecitizen.globalplatform import DomainSession
from ecitizen.globalplatform_objects import (
    CardLifeCycle,
    DataGrouping,
    KeyInformation,
    Privilege,
    RegistryEntry,
    RegistryKind,
)
from ecitizen.key_providers import DiversifiedKeys, KeyContext, StaticKeys
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.aes import AesKey
from ecitizen.secure_channel.handshake import Scp03Keys, Scp03Option, SecurityLevel
from ecitizen.session import CardSession
from tests.unit.gp_card import ISSUER_AID, KEY_INFORMATION, OPTIONS, SERIAL, TEST_KEY, ChannelCard, same_keys

APP = bytes.fromhex("A000000054480001")
DOMAIN = b"\xf0ECITIZEN-SD-MOI"
D = DOMAIN.hex().upper()


def opened(answers: dict[str, str], level: SecurityLevel = SecurityLevel.FULL, **card: Any) -> DomainSession:
    domain = DomainSession.select(CardSession(ChannelCard(answers, **card)))
    domain.open_channel(StaticKeys.published(), level)
    return domain


def seen(domain: DomainSession) -> list[str]:
    """What came out of the channel on the card."""
    card = domain.session.transport
    assert isinstance(card, ChannelCard)
    return [each for each in card.seen if each[:4] in {"80F2", "80F0", "80E6", "80E4", "80E2", "80D8"}]


# What anybody may ask.


def test_what_a_domain_tells_without_a_channel() -> None:
    recognition = (
        "6631732F06072A864886FC6B01600C060A2A864886FC6B02020301630906072A864886FC6B03640B06092A864886FC6B040370"
    )
    answers = {
        "80CA0066": recognition + "9000",
        "80CA0042": "42030102039000",
        "80CA0045": "6A88",
        "80CA00C1": "C10300002A9000",
    }
    domain = DomainSession.select(CardSession(ChannelCard(answers)))
    assert domain.key_information()[0] == KeyInformation(1, 0x30, 0x88, 16)
    assert domain.recognition().version == (2, 3, 1)
    assert domain.recognition().secure_channels == ((3, 0x70),)
    assert domain.cplc().operating_system == 0x4791
    assert domain.chip_serial() == SERIAL
    assert (domain.iin(), domain.cin(), domain.sequence_counter()) == (b"\x01\x02\x03", None, 42)


def test_the_keys_of_a_card_that_leaves_the_outer_tag_out() -> None:
    domain = DomainSession.select(CardSession(ChannelCard({"80CA00E0": KEY_INFORMATION[4:] + "9000"})))
    assert [each.kid for each in domain.key_information()] == [1, 2, 3]
    domain.open_channel(StaticKeys.published())


def test_the_cards_own_choice_is_selected_and_named() -> None:
    card = ChannelCard({"00A40400": "6F108408A000000003000000A5049F6501FF9000"})
    domain = DomainSession.select(CardSession(card), None)
    assert domain.aid == bytes.fromhex("A000000003000000")
    for said in ("9000", "6F009000", "6F0384 01 AB 9000".replace(" ", ""), "6F108408"):
        with pytest.raises((CardProtocolError, StatusError)):
            DomainSession.select(CardSession(ChannelCard({"00A40400": said})), None)


def test_a_domain_that_is_not_there() -> None:
    with pytest.raises(AppNotFound):
        DomainSession.select(CardSession(ChannelCard({"00A4040010" + D: "6A82"})), DOMAIN)


def test_another_domain_of_the_same_card_is_not_asked_for_the_chip() -> None:
    card = ChannelCard({"00A4040010" + D: "9000"})
    other = DomainSession.select(CardSession(card)).at(DOMAIN)
    assert other.context() == KeyContext(DOMAIN, SERIAL)
    assert card.seen.count("80CA9F7F") == 1


@pytest.mark.parametrize("said", ["9000", "42009000", "450101", "4502019000", "6F00"])
def test_a_number_that_is_none(said: str) -> None:
    domain = DomainSession.select(CardSession(ChannelCard({"80CA0045": said})))
    if said == "42009000":
        with pytest.raises(DecodeError, match="45 was asked for"):
            domain.cin()
    else:
        with pytest.raises((DecodeError, StatusError, CardProtocolError)):
            domain.cin()


# Managing needs a channel.


@pytest.mark.parametrize(
    "act",
    [
        lambda domain: domain.get_status(RegistryKind.APPLICATIONS),
        lambda domain: domain.set_card_status(CardLifeCycle.TERMINATED),
        lambda domain: domain.lock(APP),
        lambda domain: domain.delete(APP),
        lambda domain: domain.store_objects(b"\x42\x01\x01"),
        lambda domain: domain.store_groupings([DataGrouping(0x0101, b"x")], encrypted=True),
        lambda domain: domain.put_keys(StaticKeys.published()),
        lambda domain: domain.delete_keys(0x30),
        lambda domain: domain.install_for_personalization(APP),
    ],
    ids=["status", "card", "lock", "delete", "store", "store encrypted", "put", "delete keys", "personalise"],
)
def test_nothing_is_managed_in_clear(act: Callable[[DomainSession], object]) -> None:
    card = ChannelCard()
    domain = DomainSession.select(CardSession(card))
    sent = len(card.raw)
    with pytest.raises(UsageError, match="secure channel"):
        act(domain)
    assert len(card.raw) == sent
    domain.open_channel(StaticKeys.published())
    domain.session.select(ISSUER_AID)  # which ends the channel
    sent = len(card.raw)
    with pytest.raises(UsageError, match="secure channel"):
        act(domain)
    assert len(card.raw) == sent


# The registry.


def entry(aid: str, *further: str) -> str:
    body = f"4F{len(aid) // 2:02X}{aid}" + "".join(further)
    return f"E3{len(body) // 2:02X}{body}"


def test_the_registry_is_read_page_by_page() -> None:
    first = entry(APP.hex().upper(), "9F700187", "C503000000", "CC10" + D)
    second = entry(D, "9F70010F", "C503800000", "CC08A000000151000000", "C407A0000001515350")
    domain = opened({"80F24002024F00": first + "6310", "80F24003024F00": second + "9000"})
    assert domain.get_status(RegistryKind.APPLICATIONS) == (
        RegistryEntry(APP, 0x87, Privilege(0), DOMAIN),
        RegistryEntry(DOMAIN, 0x0F, Privilege.SECURITY_DOMAIN, ISSUER_AID, bytes.fromhex("A0000001515350")),
    )
    assert [each.locked for each in domain.get_status(RegistryKind.APPLICATIONS)] == [True, False]


def test_a_registry_without_entries() -> None:
    assert opened({"80F24002024F00": "6A88"}).get_status(RegistryKind.APPLICATIONS) == ()


def test_a_registry_that_is_cut_off_is_not_taken_for_the_whole() -> None:
    """An error has no MAC, so anybody on the way can say that there is nothing more."""
    first = entry(APP.hex().upper(), "9F700107") + "6310"
    domain = opened({"80F22002024F00": first, "80F22003024F00": "6A88"})
    with pytest.raises(StatusError):
        domain.get_status(RegistryKind.LOAD_FILES)


def test_load_files_have_modules() -> None:
    modules = entry("A0000001515350", "9F700101", "8408A000000151535041", "8408A000000151535042")
    domain = opened({"80F21002024F00": modules + "9000"})
    (found,) = domain.get_status(RegistryKind.LOAD_FILES_AND_MODULES)
    assert [each[-1] for each in found.modules] == [0x41, 0x42]


@pytest.mark.parametrize(
    "said",
    ["4F009000", "E3009000", "E3044F02AB", "E30A4F08A0000000544800019000", "E3FF9000", "6310", "6500", "01"],
)
def test_a_registry_that_is_garbage(said: str) -> None:
    domain = opened({"80F24002024F00": said})
    with pytest.raises((CardProtocolError, StatusError)):
        domain.get_status(RegistryKind.APPLICATIONS)


def test_a_registry_without_end() -> None:
    page = entry(APP.hex().upper(), "9F700107") + "6310"
    domain = opened({"80F24002024F00": page, "80F24003024F00": page}, SecurityLevel.C_MAC)
    with pytest.raises(CardProtocolError, match="no end"):
        domain.get_status(RegistryKind.APPLICATIONS)


# Commands without an answer.

A = "08" + APP.hex().upper()


@pytest.mark.parametrize(
    ("act", "command"),
    [
        (lambda d: d.set_card_status(CardLifeCycle.SECURED), "80F0800F"),
        (lambda d: d.set_status(APP, 0x0F), "80F0400F" + A),
        (lambda d: d.delete(APP), "80E400000A4F" + A),
        (lambda d: d.delete(APP, related=True), "80E400800A4F" + A),
        (lambda d: d.delete_keys(0x30), "80E4000003D20130"),
        (
            lambda d: d.install_and_make_selectable(bytes.fromhex("A0000001515350"), APP, APP),
            "80E60C0022" + "07A0000001515350" + A + A + "03000000" + "02C900" + "00",
        ),
        (
            lambda d: d.install_and_make_selectable(
                APP, APP, DOMAIN, privileges=Privilege.SECURITY_DOMAIN, parameters=bytes.fromhex("C9021122")
            ),
            "80E60C002D" + A + A + "10" + D + "03800000" + "04C9021122" + "00",
        ),
        (lambda d: d.install_for_personalization(APP), "80E620000E" + "0000" + A + "000000"),
        (lambda d: d.extradite(APP, DOMAIN), "80E610001E" + "10" + D + "00" + A + "000000"),
        (lambda d: d.registry_update(APP), "80E640000E" + "0000" + A + "000000"),
        (
            lambda d: d.registry_update(APP, domain=DOMAIN, privileges=Privilege.CARD_RESET),
            "80E6400021" + "10" + D + "00" + A + "03040000" + "0000",
        ),
        (lambda d: d.store_objects(bytes.fromhex("4203010203")), "80E29000054203010203"),
        (
            lambda d: d.store_groupings([DataGrouping(0x0101, b"\xab"), DataGrouping(0x8101, b"")]),
            "80E2880007" + "010101AB" + "810100",
        ),
        (lambda d: d.store_groupings([]), "80E28800"),
    ],
    ids=[
        "card secured",
        "personalised",
        "delete",
        "delete all of it",
        "delete keys",
        "install",
        "install domain",
        "personalise",
        "extradite",
        "registry",
        "registry in full",
        "objects",
        "groupings",
        "nothing",
    ],
)
def test_commands_are_those_of_the_standard(act: Callable[[DomainSession], object], command: str) -> None:
    domain = opened({command: "009000" if command[:4] in {"80E6", "80E4"} else "9000"})
    act(domain)
    assert seen(domain) == [command]
    refusing = opened({command: "6985"})
    with pytest.raises(StatusError) as refused:
        act(refusing)
    assert refused.value.sw == 0x6985
    warning = opened({command: "6200"})
    with pytest.raises(StatusError):
        act(warning)


def test_an_application_is_locked_and_unlocked_as_it_is() -> None:
    asked = "80F240020A4F" + A
    domain = opened({asked: entry(APP.hex(), "9F70010F") + "9000", "80F0408F" + A: "9000", "80F0400F" + A: "9000"})
    domain.lock(APP)
    domain.unlock(APP)
    assert seen(domain) == [asked, "80F0408F" + A, asked, "80F0400F" + A]
    with pytest.raises(StatusError, match="looking for"):
        opened({asked: entry(APP.hex() + "01", "9F700107") + "9000"}).lock(APP)


@pytest.mark.parametrize("aid", [b"1234", bytes(17)])
def test_an_aid_has_5_to_16_bytes(aid: bytes) -> None:
    domain = opened({})
    for act in (domain.delete, domain.lock, domain.install_for_personalization, domain.at):
        with pytest.raises(UsageError, match="5 to 16"):
            act(aid)
    assert seen(domain) == []


# STORE DATA.


@pytest.mark.parametrize(
    ("level", "further", "size"),
    [
        (SecurityLevel.C_MAC, 0, 247),
        (SecurityLevel.C_MAC_R_MAC, 0, 247),
        (SecurityLevel.C_MAC_C_ENC, 0, 239),
        (SecurityLevel.FULL, 0, 239),
        (SecurityLevel.C_MAC, 8, 239),
        (SecurityLevel.FULL, 8, 223),
    ],
)
def test_blocks_are_as_long_as_one_command_carries(level: SecurityLevel, further: int, size: int) -> None:
    domain = DomainSession.select(CardSession(Storing(options=OPTIONS | Scp03Option(further))))
    domain.open_channel(StaticKeys.published(), level)
    assert domain.block_len == size
    content = bytes(range(256)) * 3
    assert domain.store_groupings([DataGrouping(0x0101, content)]) == -(-773 // size)
    blocks = seen(domain)
    assert [(each[4:6], each[6:8]) for each in blocks] == [
        ("88" if number == len(blocks) - 1 else "08", f"{number:02X}") for number in range(len(blocks))
    ]
    assert "".join(each[10:] for each in blocks) == "0101FF0300" + content.hex().upper()
    card = domain.session.transport
    assert isinstance(card, Storing)
    longest = max(len(raw) for raw in card.raw)
    assert 255 - 15 <= longest - 5 <= 256


class Storing(ChannelCard):
    """A card that takes every STORE DATA."""

    def _plain(self, command: Any) -> Any:
        response = super()._plain(command)
        return type(response)(b"", 0x9000) if command.ins == 0xE2 else response


@pytest.mark.parametrize(
    ("told", "extended", "size"),
    [("9F6501FF", False, 247), ("9F650180", False, 120), ("9F65020400", False, 247), ("9F65020400", True, 1016)],
)
def test_what_the_card_says_of_its_buffer_counts(told: str, extended: bool, size: int) -> None:
    inner = f"8408A000000151000000A5{len(told) // 2:02X}{told}"
    domain = DomainSession.select(CardSession(ChannelCard(control_information=f"6F{len(inner) // 2:02X}{inner}")))
    domain.session.link.extended_length = extended
    domain.open_channel(StaticKeys.published(), SecurityLevel.C_MAC)
    assert domain.block_len == size


@pytest.mark.parametrize("told", ["", "6F00", "6F048402ABCD", "6FFF", "6F07A5059F6502000A", "6F06A5049F650100"])
def test_a_buffer_that_makes_no_sense_does_not_count(told: str) -> None:
    domain = DomainSession.select(CardSession(ChannelCard(control_information=told)))
    assert domain.block_len == 255


def test_values_are_encrypted_under_the_data_key() -> None:
    domain = DomainSession.select(CardSession(Storing()))
    domain.open_channel(StaticKeys.published())
    domain.store_groupings([DataGrouping(0x8010, b"123456\xff\xff"), DataGrouping(0x8012, b"")], encrypted=True)
    (command,) = seen(domain)
    dek = AesKey(KeyBytes(TEST_KEY))
    padded = [b"123456\xff\xff\x80" + bytes(7), b"\x80" + bytes(15)]
    pin, empty = (dek.encrypt(each).hex().upper() for each in padded)
    assert command == "80E2E80026" + "801010" + pin + "801210" + empty


def test_what_can_not_be_stored_is_known_before() -> None:
    domain = opened({})
    with pytest.raises(EncodeError):
        domain.store_groupings([DataGrouping(0, b"")])
    with pytest.raises(EncodeError):
        domain.store_groupings([DataGrouping(0x0101, bytes(65536))])
    with pytest.raises(UsageError, match="in parts"):
        domain.store_groupings([DataGrouping(0x0101, bytes(65535))])
    assert seen(domain) == []


# Keys.


class Keeping(ChannelCard):
    """A card that answers PUT KEY with the check values that it was sent, or as told."""

    said: bytes | None = None

    def _plain(self, command: Any) -> Any:
        response = super()._plain(command)
        if command.ins != 0xD8:
            return response
        values = [command.data[at + 20 : at + 23] for at in range(1, len(command.data), 23)]
        assert all(len(each) == 3 for each in values)
        return type(response)(command.data[:1] + b"".join(values) if self.said is None else self.said, 0x9000)


def keeping(said: bytes | None = None) -> DomainSession:
    card = Keeping()
    card.said = said
    domain = DomainSession.select(CardSession(card))
    domain.open_channel(StaticKeys.published())
    return domain


@pytest.mark.parametrize("replace", [0, 0x30])
def test_keys_are_put_under_the_data_key_of_the_channel(replace: int) -> None:
    domain = keeping()
    domain.put_keys(StaticKeys(same_keys(0x31, 0x80)), replace=replace)
    (command,) = seen(domain)
    block = AesKey(KeyBytes(TEST_KEY)).encrypt(bytes(range(0x80, 0x90))).hex().upper()
    value = AesKey(KeyBytes(bytes(range(0x80, 0x90)))).encrypt_block(b"\x01" * 16)[:3].hex().upper()
    assert command == f"80D8{replace:02X}8146" + "31" + f"881110{block}03{value}" * 3


def test_diversified_keys_are_those_of_this_card() -> None:
    domain = keeping()
    keys = DiversifiedKeys(KeyBytes(bytes(range(16))))
    domain.put_keys(keys, replace=0x30)
    (command,) = seen(domain)
    values = b"".join(keys.check_values(KeyContext(ISSUER_AID, SERIAL))).hex().upper()
    assert "".join(command[12 + 46 * n + 40 : 12 + 46 * n + 46] for n in range(3)) == values


@pytest.mark.parametrize("said", [b"", b"\x31", bytes(10), b"\x31" + bytes(9)])
def test_check_values_that_are_not_of_the_new_keys(said: bytes) -> None:
    with pytest.raises(CardProtocolError, match="check values"):
        keeping(said).put_keys(StaticKeys(same_keys(0x31, 0x80)))


@pytest.mark.parametrize("kvn", [-1, 128])
def test_a_version_that_is_none(kvn: int) -> None:
    domain = keeping()
    with pytest.raises(UsageError, match="127"):
        domain.put_keys(StaticKeys.published(), replace=kvn)
    with pytest.raises(UsageError, match="127"):
        domain.delete_keys(kvn)


def test_keys_of_a_new_domain_go_in_under_those_of_the_one_above() -> None:
    """The channel has the keys of the issuer's domain; the new ones are those of the domain itself."""
    master = DiversifiedKeys(KeyBytes(bytes(range(16))))
    above = KeyContext(ISSUER_AID, SERIAL)
    issuer_keys = _keys_of(master, above)
    card = Keeping({"00A4040010" + D: "9000", "80CA00E0": "E0009000"}, keys=issuer_keys)
    domain = DomainSession.select(CardSession(card), DOMAIN)
    domain.open_channel(master, keys_of=ISSUER_AID)
    domain.put_keys(master)
    own = master.put_key_blocks(KeyContext(DOMAIN, SERIAL), master, above)
    assert seen(domain) == ["80D8008146" + own.hex().upper()]


def _keys_of(keys: DiversifiedKeys, card: KeyContext) -> Scp03Keys:
    from ecitizen.secure_channel.key_blocks import decode_keys

    enc, mac, dek = decode_keys(KeyBytes(TEST_KEY), keys.put_key_blocks(card, StaticKeys.published())[1:])
    return Scp03Keys(enc, mac, dek, keys.kvn)
