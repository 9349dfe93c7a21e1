"""SCP03 at every key length, mode and level, against a second calculation with another library; and its refusals.

`Second` is Amendment D written down once more, with PyCryptodome's AES and CMAC and none of the toolkit's code.
"""

import os
from dataclasses import replace
from itertools import product

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import CMAC
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import CryptogramWrong, DecodeError, SecureMessagingError, UsageError
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.aes import AesKey, pad, unpad
from ecitizen.secure_channel.handshake import CardAnswer, Scp03Keys, Scp03Option, SecurityLevel, initialize_update
from ecitizen.secure_channel.scp03 import (
    CardChannel,
    CardOpening,
    HostChannel,
    pseudo_random_challenge,
    session_keys,
)

ALL = Scp03Option.PSEUDO_RANDOM | Scp03Option.R_MAC | Scp03Option.R_ENC
HOST = bytes(range(0x10, 0x20))
CARD = bytes(range(0xA0, 0xB0))
KINDS = list(product((16, 24, 32), (8, 16), SecurityLevel))

every_kind = pytest.mark.parametrize(("key_len", "mode", "level"), KINDS)


class Second:
    """The second calculation: one command and its answer after EXTERNAL AUTHENTICATE."""

    def __init__(self, key_len: int, mode: int, level: int) -> None:
        self.mode, self.level = mode, level
        self.enc, self.mac = (bytes((each,)) * key_len for each in (0x11, 0x22))
        context = HOST[:mode] + CARD[:mode]
        self.s_enc = self.kdf(self.enc, "04", context, key_len)
        self.s_mac = self.kdf(self.mac, "06", context, key_len)
        self.s_rmac = self.kdf(self.mac, "07", context, key_len)
        self.card_cryptogram = self.kdf(self.s_mac, "00", context, mode)
        self.host_cryptogram = self.kdf(self.s_mac, "01", context, mode)
        self.chain = bytes(16)
        self.counter = 0

    @staticmethod
    def cmac(key: bytes, message: bytes) -> bytes:
        return CMAC.new(key, message, ciphermod=AES).digest()

    def kdf(self, key: bytes, constant: str, context: bytes, length: int) -> bytes:
        out = b""
        for number in (1, 2):
            fixed = bytes.fromhex("00" * 11 + constant + "00" + f"{length * 8:04X}" + f"{number:02X}")
            out += self.cmac(key, fixed + context)
        return out[:length]

    def external_authenticate(self) -> bytes:
        head = bytes((0x84, 0x82, self.level, 0, 2 * self.mode))
        self.chain = self.cmac(self.s_mac, self.chain + head + self.host_cryptogram)
        return head + self.host_cryptogram + self.chain[: self.mode]

    def cbc(self, mark: str, data: bytes) -> bytes:
        vector = bytes.fromhex(mark) + self.counter.to_bytes(15, "big")
        return AES.new(self.s_enc, AES.MODE_CBC, AES.new(self.s_enc, AES.MODE_ECB).encrypt(vector)).encrypt(data)

    def wrap(self, head: bytes, data: bytes) -> bytes:
        """Header, Lc and data as they go out; Lc in three bytes from 256 on."""
        self.counter += 1
        if data and self.level & 0x02:
            data += b"\x80"
            while len(data) % 16:
                data += b"\x00"
            data = self.cbc("00", data)
        length = len(data) + self.mode
        lc = bytes((length,)) if length < 256 else bytes((0, length // 256, length % 256))
        self.chain = self.cmac(self.s_mac, self.chain + head + lc + data)
        return head + lc + data + self.chain[: self.mode]

    def answer(self, data: bytes) -> bytes:
        if not self.level & 0x10:
            return data + b"\x90\x00"
        if data and self.level & 0x20:
            data += b"\x80"
            while len(data) % 16:
                data += b"\x00"
            data = self.cbc("80", data)
        return data + self.cmac(self.s_rmac, self.chain + data + b"\x90\x00")[: self.mode] + b"\x90\x00"


def keys(key_len: int = 16, kvn: int = 0x30) -> Scp03Keys:
    enc, mac, dek = (KeyBytes(bytes((each,)) * key_len) for each in (0x11, 0x22, 0x33))
    return Scp03Keys(enc, mac, dek, kvn)


def opening(key_len: int = 16, mode: int = 8, options: Scp03Option = ALL) -> CardOpening:
    announced = options | Scp03Option.S16 if mode == 16 else options
    sequence = 5 if Scp03Option.PSEUDO_RANDOM in options else None
    return CardOpening(keys(key_len), announced, HOST[:mode], CARD[:mode], diversification=bytes(10), sequence=sequence)


def host_end(answer: CardAnswer, level: SecurityLevel = SecurityLevel.FULL, key_len: int = 16) -> HostChannel:
    challenge = HOST[: len(answer.challenge)]
    return HostChannel(session_keys(keys(key_len), challenge, answer.challenge), challenge, answer, level)


def both_ends(
    level: SecurityLevel = SecurityLevel.FULL, key_len: int = 16, mode: int = 8
) -> tuple[HostChannel, CardChannel]:
    card = opening(key_len, mode)
    host = host_end(card.answer, level, key_len)
    return host, card.authenticate(host.external_authenticate())


@every_kind
def test_against_the_second_calculation(key_len: int, mode: int, level: SecurityLevel) -> None:
    second = Second(key_len, mode, level)
    card_opening = opening(key_len, mode)
    assert card_opening.answer.cryptogram == second.card_cryptogram
    host = host_end(card_opening.answer, level, key_len)
    opened = host.external_authenticate()
    assert opened.encode() == second.external_authenticate()
    card = card_opening.authenticate(opened)
    for data, answer in ((b"", b"first"), (b"personal", b""), (b"\x80" * 16, b"\x80\x00"), (bytes(700), bytes(500))):
        plain = CommandApdu(0x80, 0xE2, 0x01, 0x02, data, 600)
        wrapped = host.wrap_command(plain)
        in_one = CommandApdu(0x84, 0xE2, 0x01, 0x02, wrapped.data, extended=len(wrapped.data) > 255)
        expected = second.wrap(bytes.fromhex("84E20102"), data)
        assert in_one.encode() == expected
        room = 607 if level.response_encrypted else 600  # as much as the same blocks hold
        assert card.unwrap_command(wrapped) == plain.with_ne(room)
        protected = card.wrap_response(ResponseApdu(answer, 0x9000))
        assert protected.encode() == second.answer(answer)
        assert host.unwrap_response(protected) == ResponseApdu(answer, 0x9000)


@pytest.mark.parametrize(("key_len", "mode"), list(product((16, 24, 32), (8, 16))))
def test_pseudo_random_challenges_against_the_second_calculation(key_len: int, mode: int) -> None:
    second = Second(key_len, mode, 1)
    aid = bytes.fromhex("A000000151000000")
    expected = second.kdf(second.enc, "02", bytes((0, 1, 2)) + aid, mode)
    assert pseudo_random_challenge(keys(key_len).enc, 0x000102, aid, mode) == expected


@pytest.mark.parametrize("mode", [8, 16])
@pytest.mark.parametrize("options", [ALL, ALL & ~Scp03Option.PSEUDO_RANDOM])
def test_the_answer_of_a_card_is_read_back(mode: int, options: Scp03Option) -> None:
    answer = opening(16, mode, options).answer
    assert len(answer.encode()) == 13 + 2 * mode + (3 if Scp03Option.PSEUDO_RANDOM in options else 0)
    assert CardAnswer.parse(answer.encode(), mode) == answer


@pytest.mark.parametrize("damage", ["", "00" * 12, "00" * 11 + "0200" + "00" * 16, "00" * 11 + "0370" + "00" * 17])
def test_an_answer_of_another_form_is_refused(damage: str) -> None:
    with pytest.raises(DecodeError):
        CardAnswer.parse(bytes.fromhex(damage), 8)


# What an attacker, a broken link or a wrong key does.


def test_a_card_with_other_keys_is_recognised() -> None:
    card = CardOpening(
        Scp03Keys.same(KeyBytes(bytes(16)), 0x30), ALL, HOST[:8], CARD[:8], diversification=bytes(10), sequence=5
    )
    with pytest.raises(CryptogramWrong, match="does not hold these keys"):
        host_end(card.answer)


def test_a_host_with_other_keys_is_recognised() -> None:
    card = opening()
    forged = CommandApdu(0x84, 0x82, 0x33, 0, bytes(16))
    with pytest.raises(CryptogramWrong):
        card.authenticate(forged)
    with pytest.raises(UsageError, match="closed"):  # and there is no second try on one challenge
        card.authenticate(forged)


def test_a_level_that_was_lowered_on_the_way_is_noticed() -> None:
    card = opening()
    command = host_end(card.answer).external_authenticate()
    with pytest.raises(SecureMessagingError):
        card.authenticate(CommandApdu(command.cla, command.ins, 0x01, 0, command.data))


@pytest.mark.parametrize("level", [0x00, 0x02, 0x10, 0x23, 0xFF])
def test_other_levels_are_refused(level: int) -> None:
    with pytest.raises(UsageError):
        opening().authenticate(CommandApdu(0x84, 0x82, level, 0, bytes(16)))


@pytest.mark.parametrize("options", [Scp03Option.PSEUDO_RANDOM, Scp03Option.PSEUDO_RANDOM | Scp03Option.R_MAC])
def test_a_card_without_encrypted_answers_is_not_asked_for_them(options: Scp03Option) -> None:
    with pytest.raises(UsageError, match="lower security level"):
        host_end(opening(options=options).answer)
    with pytest.raises(UsageError):
        opening(options=options).authenticate(CommandApdu(0x84, 0x82, 0x33, 0, bytes(16)))


@pytest.mark.parametrize("level", SecurityLevel)
@given(place=st.integers(2, 8 * 35 - 1))  # not bits 0 and 1: the MAC doesn't see which logical channel it is
def test_one_wrong_bit_of_a_command_closes_the_channel(level: SecurityLevel, place: int) -> None:
    host, card = both_ends(level)
    wrapped = host.wrap_command(CommandApdu(0x80, 0xE2, 0x80, 0x00, b"23 bytes of a real name"))
    raw = bytearray(bytes((wrapped.cla, wrapped.ins, wrapped.p1, wrapped.p2)) + wrapped.data)
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(SecureMessagingError):
        card.unwrap_command(CommandApdu(raw[0], raw[1], raw[2], raw[3], bytes(raw[4:])))
    assert card.closed
    with pytest.raises(UsageError, match="closed"):
        card.unwrap_command(wrapped)


@pytest.mark.parametrize("level", [each for each in SecurityLevel if each.response_authenticated])
@given(place=st.integers(0, 8 * 16 - 1))
def test_one_wrong_bit_of_an_answer_closes_the_channel(level: SecurityLevel, place: int) -> None:
    host, card = both_ends(level)
    card.unwrap_command(host.wrap_command(CommandApdu(0x80, 0xCA, 0, 0x66, ne=256)))
    answer = card.wrap_response(ResponseApdu(b"recognised", 0x9000))
    data = bytearray(answer.data)
    data[place // 8 % len(data)] ^= 1 << place % 8
    with pytest.raises(SecureMessagingError):
        host.unwrap_response(ResponseApdu(bytes(data), 0x9000))
    assert host.closed
    with pytest.raises(UsageError, match="closed"):
        host.wrap_command(CommandApdu(0x80, 0xCA, 0, 0x66))


@pytest.mark.parametrize("level", SecurityLevel)
def test_replay_and_a_lost_command_are_noticed(level: SecurityLevel) -> None:
    status = CommandApdu(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00")
    host, card = both_ends(level)
    once = host.wrap_command(status)
    card.unwrap_command(once)
    card.wrap_response(ResponseApdu(b"", 0x9000))
    with pytest.raises(SecureMessagingError):
        card.unwrap_command(once)
    host, card = both_ends(level)
    host.wrap_command(status)
    host.unwrap_response(ResponseApdu(b"", 0x6985))
    with pytest.raises(SecureMessagingError):
        card.unwrap_command(host.wrap_command(status))


@pytest.mark.parametrize("cla", [0x80, 0x00, 0x8C, 0x0C, 0xC0])
def test_a_plain_command_closes_the_channel(cla: int) -> None:
    _, card = both_ends()
    with pytest.raises(SecureMessagingError, match="plain"):
        card.unwrap_command(CommandApdu(cla, 0xCA, 0, 0x66, bytes(20)))
    assert card.closed


@pytest.mark.parametrize("sw", [0x9000, 0x6200, 0x6310, 0x63C2])
def test_success_and_warnings_need_their_mac(sw: int) -> None:
    host, card = both_ends()
    command = host.wrap_command(CommandApdu(0x80, 0xF2, 0x40, 2, b"\x4f\x00", 256))
    card.unwrap_command(command)
    protected = card.wrap_response(ResponseApdu(b"", sw))
    assert (len(protected.data), protected.sw) == (8, sw)
    with pytest.raises(SecureMessagingError):
        host.unwrap_response(ResponseApdu(b"", sw))


@pytest.mark.parametrize("sw", [0x6A88, 0x6985, 0x6D00, 0x6108])
def test_an_error_is_a_bare_status_word_and_the_channel_goes_on(sw: int) -> None:
    host, card = both_ends()
    command = CommandApdu(0x80, 0xF2, 0x40, 2, b"\x4f\x00", 256)
    card.unwrap_command(host.wrap_command(command))
    bare = card.wrap_response(ResponseApdu(b"never shown", sw))
    assert bare == ResponseApdu(b"", sw)
    assert host.unwrap_response(bare) == bare
    card.unwrap_command(host.wrap_command(command))
    answer = card.wrap_response(ResponseApdu(b"listed", 0x9000))
    assert host.unwrap_response(answer).data == b"listed"


def test_data_beside_an_error_are_not_believed() -> None:
    host, _ = both_ends()
    host.wrap_command(CommandApdu(0x80, 0xF2, 0x40, 2, b"\x4f\x00", 256))
    with pytest.raises(SecureMessagingError, match="nothing protects"):
        host.unwrap_response(ResponseApdu(b"forged", 0x6A88))


@pytest.mark.parametrize(("given", "told"), [(0x9000, 0x9000), (0x6282, 0x9000), (0x6281, 0x6281)])
def test_what_a_card_gives_beyond_ne_is_cut_off(given: int, told: int) -> None:
    """It can't know Ne; so the end of a file that it met may be behind what was asked for."""
    host, card = both_ends()
    card.unwrap_command(host.wrap_command(CommandApdu(0x80, 0xCA, 0, 0x66, ne=3)))
    answer = host.unwrap_response(card.wrap_response(ResponseApdu(b"four", given)))
    assert answer == ResponseApdu(b"fou", told)
    card.unwrap_command(host.wrap_command(CommandApdu(0x80, 0xCA, 0, 0x66, ne=3)))
    answer = host.unwrap_response(card.wrap_response(ResponseApdu(b"tw", given)))
    assert answer == ResponseApdu(b"tw", given)


def test_an_answer_where_none_was_asked_for_is_refused() -> None:
    host, card = both_ends()
    card.unwrap_command(host.wrap_command(CommandApdu(0x80, 0xCA, 0, 0x66)))
    with pytest.raises(SecureMessagingError, match="more than"):
        host.unwrap_response(card.wrap_response(ResponseApdu(b"four", 0x9000)))


# How a command looks on the link.


@pytest.mark.parametrize(
    ("ne", "level", "asked"),
    [
        (None, SecurityLevel.C_MAC, None),
        (256, SecurityLevel.C_MAC_C_ENC, 256),
        (None, SecurityLevel.C_MAC_R_MAC, 8),
        (256, SecurityLevel.C_MAC_R_MAC, 264),
        (None, SecurityLevel.FULL, 8),
        (1, SecurityLevel.FULL, 24),
        (15, SecurityLevel.FULL, 24),
        (16, SecurityLevel.FULL, 40),
        (65536, SecurityLevel.FULL, 65536),
    ],
)
def test_the_answer_may_be_as_long_as_its_protection_makes_it(
    ne: int | None, level: SecurityLevel, asked: int | None
) -> None:
    host, _ = both_ends(level)
    assert host.wrap_command(CommandApdu(0x80, 0xCA, 0, 0x66, ne=ne)).ne == asked


@pytest.mark.parametrize(("cla", "wrapped"), [(0x00, 0x04), (0x80, 0x84), (0x83, 0x87), (0x40, 0x60), (0xC5, 0xE5)])
def test_the_class_says_secured_on_every_logical_channel(cla: int, wrapped: int) -> None:
    host, card = both_ends()
    command = CommandApdu(cla, 0x47, 0, 0x9A, b"\xac\x03\x80\x01\x11", 100)
    protected = host.wrap_command(command)
    assert protected.cla == wrapped
    assert card.unwrap_command(protected) == command.with_ne(111)


@pytest.mark.parametrize(
    ("level", "asked", "room"),
    [
        (SecurityLevel.C_MAC_C_ENC, 40, 40),
        (SecurityLevel.C_MAC_R_MAC, 31, 23),
        (SecurityLevel.C_MAC_R_MAC, 9, 1),
        (SecurityLevel.C_MAC_R_MAC, 8, None),
        (SecurityLevel.C_MAC_R_MAC, 3, None),
        (SecurityLevel.C_MAC_R_MAC, None, None),
        (SecurityLevel.C_MAC_R_MAC, 256, 256),
        (SecurityLevel.FULL, 40, 31),
        (SecurityLevel.FULL, 39, 15),
        (SecurityLevel.FULL, 24, 15),
        (SecurityLevel.FULL, 23, None),
        (SecurityLevel.FULL, 8, None),
        (SecurityLevel.FULL, 256, 256),
    ],
)
def test_the_applet_is_asked_for_what_a_protected_answer_holds(
    level: SecurityLevel, asked: int | None, room: int | None
) -> None:
    host, card = both_ends(level)
    wrapped = host.wrap_command(CommandApdu(0x00, 0xB0, 0x81, 0, ne=1)).with_ne(asked)
    assert card.unwrap_command(CommandApdu.parse(wrapped.encode())).ne == room


def test_le_of_three_bytes_asks_for_all_there_is_with_zeros_only() -> None:
    for asked, room in ((256, 239), (65536, 65536)):
        host, card = both_ends()
        wrapped = replace(host.wrap_command(CommandApdu(0x00, 0xB0, 0x81, 0, ne=1)), ne=asked, extended=True)
        assert card.unwrap_command(CommandApdu.parse(wrapped.encode())).ne == room


@pytest.mark.parametrize("cla", [0x04, 0x0C, 0x84, 0x10, 0x20, 0x60, 0x90, 0xA0, 0x100, -1])
def test_other_classes_have_no_secured_form(cla: int) -> None:
    host, _ = both_ends()
    with pytest.raises(UsageError, match="class"):
        host.wrap_command(CommandApdu(cla, 0xCA))


def test_three_bytes_of_lc_where_the_link_extends_a_short_command() -> None:
    second = Second(16, 8, SecurityLevel.C_MAC)
    host, card = both_ends(SecurityLevel.C_MAC)
    second.external_authenticate()
    plain = CommandApdu(0x80, 0xCA, 0, 0x66, b"\x5c\x00", 5000)
    wrapped = host.wrap_command(plain, extended_link=True)
    mac = second.cmac(second.s_mac, second.chain + bytes.fromhex("84CA0066" + "00000A" + "5C00"))
    assert wrapped.data == plain.data + mac[:8]
    sent = CommandApdu.parse(CommandApdu(0x84, 0xCA, 0, 0x66, wrapped.data, 5000, extended=True).encode())
    assert card.unwrap_command(sent).data == plain.data


def test_an_empty_command_that_was_encrypted_all_the_same() -> None:
    """Some hosts (yubikit 5.9) encrypt a block of padding where there are no data."""
    second = Second(16, 8, SecurityLevel.FULL)
    card = opening().authenticate(CommandApdu.parse(second.external_authenticate()))
    second.counter = 1
    block = second.cbc("00", b"\x80" + bytes(15))
    mac = second.cmac(second.s_mac, second.chain + bytes.fromhex("84CA00E018") + block)[:8]
    assert card.unwrap_command(CommandApdu(0x84, 0xCA, 0, 0xE0, block + mac)).data == b""


@pytest.mark.parametrize(
    "content", [b"not whole blocks", b"sixteen, no mark", bytes(16), b"\x80" + bytes(31), b"\x80" + bytes(14)]
)
def test_data_that_decrypt_to_nothing_sensible_close_the_channel(content: bytes) -> None:
    second = Second(16, 8, SecurityLevel.FULL)
    card = opening().authenticate(CommandApdu.parse(second.external_authenticate()))
    second.counter = 1
    whole = len(content) % 16 == 0
    block = second.cbc("00", content) if whole else content
    mac = second.cmac(second.s_mac, second.chain + bytes((0x84, 0xE2, 0, 0, len(block) + 8)) + block)[:8]
    with pytest.raises(SecureMessagingError, match="decrypted"):
        card.unwrap_command(CommandApdu(0x84, 0xE2, 0, 0, block + mac))
    assert card.closed


def test_an_answer_that_decrypts_to_nothing_sensible_closes_the_channel() -> None:
    second = Second(16, 8, SecurityLevel.FULL)
    second.external_authenticate()
    second.wrap(bytes.fromhex("84CA0066"), b"")
    host, _ = both_ends()
    host.wrap_command(CommandApdu(0x80, 0xCA, 0, 0x66, ne=256))
    block = second.cbc("80", bytes(16))
    mac = second.cmac(second.s_rmac, second.chain + block + b"\x90\x00")[:8]
    with pytest.raises(SecureMessagingError, match="decrypted"):
        host.unwrap_response(ResponseApdu(block + mac, 0x9000))
    assert host.closed


def test_a_command_that_no_apdu_can_carry_is_refused_and_nothing_is_lost() -> None:
    host, card = both_ends()
    with pytest.raises(UsageError, match="too long"):
        host.wrap_command(CommandApdu(0x80, 0xE2, 0, 0, bytes(65535)))
    assert card.unwrap_command(host.wrap_command(CommandApdu(0x80, 0xE2, 0, 0, b"short"))).data == b"short"


@given(
    level=st.sampled_from(SecurityLevel),
    mode=st.sampled_from((8, 16)),
    talk=st.lists(st.tuples(st.binary(max_size=600), st.binary(max_size=600)), max_size=5),
)
def test_what_goes_in_comes_out(level: SecurityLevel, mode: int, talk: list[tuple[bytes, bytes]]) -> None:
    host, card = both_ends(level, 16, mode)
    for data, answer in talk:
        wrapped = host.wrap_command(CommandApdu(0x80, 0xE2, 1, 2, data, 600))
        assert card.unwrap_command(wrapped).data == data
        assert host.unwrap_response(card.wrap_response(ResponseApdu(answer, 0x9000))).data == answer
        assert not (level.command_encrypted and len(data) > 8 and data in wrapped.data)


# Order and lifetime.


def test_commands_and_answers_take_turns() -> None:
    host, card = both_ends()
    with pytest.raises(UsageError, match="turns"):
        host.unwrap_response(ResponseApdu(b"", 0x9000))
    with pytest.raises(UsageError, match="turns"):
        card.wrap_response(ResponseApdu(b"", 0x9000))
    host.wrap_command(CommandApdu(0x80, 0xCA))
    with pytest.raises(UsageError, match="turns"):
        host.wrap_command(CommandApdu(0x80, 0xCA))
    with pytest.raises(UsageError, match="already"):
        host.external_authenticate()


def test_closing_wipes_and_closes_for_good() -> None:
    host, card = both_ends()
    for end in (host, card):
        end.close()
        end.close()
        assert end.closed
    with pytest.raises(UsageError, match="closed"):
        host.wrap_command(CommandApdu(0x80, 0xCA))
    given_up = opening()
    given_up.close()
    with pytest.raises(UsageError, match="closed"):
        given_up.authenticate(CommandApdu(0x84, 0x82, 0x33, 0, bytes(16)))


def test_session_keys_are_handed_over_and_wiped() -> None:
    card = opening()
    derived = session_keys(keys(), HOST[:8], CARD[:8])
    HostChannel(derived, HOST[:8], card.answer)
    assert [len(key) for key in (derived.enc, derived.mac, derived.rmac)] == [0, 0, 0]


def test_no_key_shows_itself() -> None:
    host, card = both_ends()
    shown = "".join(repr(each) for each in (keys(), host, card, session_keys(keys(), HOST[:8], CARD[:8])))
    assert "1111" not in shown
    assert "\\x11" not in shown


@pytest.mark.parametrize("lengths", [(16, 16, 24), (8, 8, 8), (0, 0, 0)])
def test_keys_of_other_lengths_are_refused(lengths: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError):
        Scp03Keys(KeyBytes(bytes(lengths[0])), KeyBytes(bytes(lengths[1])), KeyBytes(bytes(lengths[2])), 1)


def test_rules_of_the_values() -> None:
    with pytest.raises(UsageError):
        keys(kvn=0x80)
    with pytest.raises(UsageError):
        initialize_update(bytes(9))
    with pytest.raises(UsageError):
        opening(options=ALL | Scp03Option.S16)
    with pytest.raises(UsageError):
        HostChannel(session_keys(keys(), bytes(5), bytes(5)), bytes(5), opening().answer)
    with pytest.raises(UsageError):
        AesKey(KeyBytes(bytes(15)))


def test_a_wiped_key_encrypts_nothing() -> None:
    key = AesKey(KeyBytes(bytes(16)))
    key.wipe()
    with pytest.raises(UsageError, match="wiped"):
        key.encrypt(bytes(16))


def test_static_keys_can_be_overwritten() -> None:
    static = Scp03Keys.same(KeyBytes(os.urandom(16)), 1)
    static.wipe()
    assert len(static.enc) == len(static.mac) == len(static.dek) == 0


@given(st.binary(max_size=70))
def test_padding(data: bytes) -> None:
    padded = pad(data)
    assert len(padded) % 16 == 0
    assert 1 <= len(padded) - len(data) <= 16
    assert unpad(padded) == data
