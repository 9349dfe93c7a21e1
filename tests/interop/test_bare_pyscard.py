"""Reading like other people's Thai card readers: pyscard, bytes written by hand, and plain Python for the text.

Nothing of this toolkit reads here. Each plan is one that public readers use (thai-card.md, sections 3 and 5); what
it brings is compared with the persona's own file.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Self

import pytest

from ecitizen.testing import virtual_card

SELECT_MOI = "00 A4 04 00 08 A0 00 00 00 54 48 00 01"
SELECT_NHSO = "00 A4 04 00 08 A0 00 00 00 54 48 00 83"
SELECT_ADM = "00 A4 04 00 08 A0 00 00 00 84 06 00 02"
FCI_MOI = bytes.fromhex("84 08 A0 00 00 00 54 48 00 01")

MOI = {
    "layout_version": (0x0000, 4),
    "cid": (0x0004, 13),
    "name_th": (0x0011, 100),
    "name_en": (0x0075, 100),
    "birth_date": (0x00D9, 8),
    "sex": (0x00E1, 1),
    "request_number": (0x00E2, 20),
    "issue_place": (0x00F6, 100),
    "issuer_code": (0x015A, 13),
    "issue_date": (0x0167, 8),
    "expiry_date": (0x016F, 8),
    "card_type": (0x0177, 2),
    "address": (0x1579, 160),
    "photo_number": (0x1619, 14),
}
NHSO = {
    "main_scheme": (0x0004, 60),
    "sub_scheme": (0x0040, 100),
    "main_hospital": (0x00A4, 80),
    "sub_hospital": (0x00F4, 80),
    "paid_type": (0x0144, 1),
    "issue_date": (0x0145, 8),
    "expiry_date": (0x014D, 8),
    "update_date": (0x0155, 8),
    "hospital_changes": (0x015D, 1),
}
FIELDS_OF_MOST_READERS = (
    "cid",
    "name_th",
    "name_en",
    "birth_date",
    "sex",
    "issue_place",
    "issue_date",
    "expiry_date",
    "address",
)
PHOTO = 0x017B
PHOTO_LEN = 5118
RECORD_LEN = 5950

Person = dict[str, Any]


class BareCard:
    """pyscard's `scard`, which is PC/SC itself, and a count of what was sent."""

    def __init__(self, reader: str) -> None:
        self._scard = scard = importlib.import_module("smartcard.scard")
        result, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        assert result == scard.SCARD_S_SUCCESS
        either = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, self._card, self._protocol = scard.SCardConnect(self._context, reader, scard.SCARD_SHARE_SHARED, either)
        assert result == scard.SCARD_S_SUCCESS
        self.on_t0 = self._protocol == scard.SCARD_PROTOCOL_T0
        self.exchanges = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scard.SCardDisconnect(self._card, self._scard.SCARD_RESET_CARD)
        self._scard.SCardReleaseContext(self._context)

    def send(self, command: str) -> tuple[bytes, str]:
        """Data, and the status word in hex."""
        self.exchanges += 1
        result, answer = self._scard.SCardTransmit(self._card, self._protocol, list(bytes.fromhex(command)))
        assert result == self._scard.SCARD_S_SUCCESS
        return bytes(answer[:-2]), bytes(answer[-2:]).hex().upper()

    def select(self, command: str) -> None:
        assert self.send(command) == (b"", "610A" if self.on_t0 else "9000")

    def read(self, offset: int, length: int, get_response: str = "00 C0 00 00") -> bytes:
        """READ and GET RESPONSE, which is how all of them read."""
        assert self.send(f"80 B0 {offset:04X} 02 00 {length:02X}") == (b"", f"61{length:02X}")
        data, status = self.send(f"{get_response} {length:02X}")
        assert (len(data), status) == (length, "9000")
        return data

    def read_all(self, offset: int, lengths: list[int], get_response: str = "00 C0 00 00") -> bytes:
        """Consecutive reads of these lengths."""
        result = b""
        for length in lengths:
            result += self.read(offset + len(result), length, get_response)
        return result


def text(raw: bytes) -> str:
    return raw.decode("cp874").rstrip(" ")


def on_card(value: Any) -> str:
    """What stands on the card for a value in the persona's file."""
    if isinstance(value, dict):
        return "#".join(value.values())
    return {None: "", "male": "1", "female": "2"}.get(value, str(value))


def expected(application: Person, names: Any) -> Person:
    return {name: on_card(application[name]) for name in names}


@pytest.fixture(scope="module", params=["somchai", "wanida"])
def holder(request: pytest.FixtureRequest, person: Callable[[str], Person]) -> Person:
    return person(request.param)


@pytest.fixture(scope="module")
def cards(holder: Person, insert: Callable[..., AbstractContextManager[tuple[str, ...]]]) -> Iterator[dict[str, str]]:
    """The readers' names: the holder's card is in two of them, once for each protocol."""
    with insert(virtual_card(holder["name"], "t0"), virtual_card(holder["name"], "t1")) as (t0, t1):
        yield {"T=0": t0, "T=1": t1}


@pytest.fixture(params=["T=0", "T=1"])
def card(request: pytest.FixtureRequest, cards: dict[str, str]) -> Iterator[BareCard]:
    with BareCard(cards[request.param]) as card:
        assert card.on_t0 == (request.param == "T=0")
        yield card


@pytest.fixture
def t0_card(cards: dict[str, str]) -> Iterator[BareCard]:
    with BareCard(cards["T=0"]) as card:
        yield card


@pytest.fixture
def t1_card(cards: dict[str, str]) -> Iterator[BareCard]:
    with BareCard(cards["T=1"]) as card:
        yield card


def test_field_by_field_in_59_exchanges(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    found = {name: text(card.read(*MOI[name])) for name in FIELDS_OF_MOST_READERS}
    photo = card.read_all(PHOTO, [255] * 20)
    assert card.exchanges == 59
    assert found == expected(holder["citizen_id"], FIELDS_OF_MOST_READERS)
    assert photo == holder["citizen_id"]["photo"].ljust(5100)


def test_the_rest_of_the_fields(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    assert {name: text(card.read(*place)) for name, place in MOI.items()} == expected(holder["citizen_id"], MOI)


def test_an_address_of_100_bytes(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    address = on_card(holder["citizen_id"]["address"]).encode("cp874")
    assert card.read(0x1579, 100) == address.ljust(100)[:100]


def test_photo_in_chunks_of_254_with_the_get_response_of_the_oldest_chips(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    photo = card.read_all(PHOTO, [254] * 20 + [38], get_response="00 C0 00 01")
    assert photo == holder["citizen_id"]["photo"].ljust(PHOTO_LEN)


def test_photo_in_chunks_of_200_with_the_get_response_of_java(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    field = card.read_all(PHOTO - 2, [200] * 25 + [120], get_response="80 C0 00 00")
    assert field[field.index(b"\xff\xd8") : field.rindex(b"\xff\xd9") + 2] == holder["citizen_id"]["photo"]


def test_names_birth_date_and_sex_in_one_read_of_209_bytes(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    piece = card.read(0x0011, 209)
    found = [text(piece[:100]), text(piece[100:200]), text(piece[200:208]), text(piece[208:])]
    names = ["name_th", "name_en", "birth_date", "sex"]
    assert found == list(expected(holder["citizen_id"], names).values())


def test_the_whole_record_in_24_chunks(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    record = card.read_all(0, [255] * 23 + [85])
    assert len(record) == RECORD_LEN
    assert card.exchanges == 1 + 2 * 24
    found = {name: text(record[offset : offset + length]) for name, (offset, length) in MOI.items()}
    assert found == expected(holder["citizen_id"], MOI)
    assert record[PHOTO : PHOTO + PHOTO_LEN] == holder["citizen_id"]["photo"].ljust(PHOTO_LEN)


def test_a_read_over_the_end_brings_what_there_is(card: BareCard) -> None:
    card.select(SELECT_MOI)
    assert card.send(f"80 B0 {RECORD_LEN - 5:04X} 02 00 FF") == (b"", "6105")
    assert card.send("00 C0 00 00 05") == (bytes(5), "9000")
    assert card.send(f"80 B0 {RECORD_LEN:04X} 02 00 01") == (b"", "6B00")


def test_an_answer_taken_in_pieces(card: BareCard, holder: Person) -> None:
    card.select(SELECT_MOI)
    cid = holder["citizen_id"]["cid"].encode("ascii")
    assert card.send("80 B0 00 04 02 00 0D") == (b"", "610D")
    assert card.send("00 C0 00 00 0A") == (cid[:10], "6103")
    assert card.send("00 C0 00 00 03") == (cid[10:], "9000")
    assert card.send("00 C0 00 00 03") == (b"", "6985")


def test_health_entitlement_field_by_field(card: BareCard, holder: Person) -> None:
    card.select(SELECT_NHSO)
    assert {name: text(card.read(*place)) for name, place in NHSO.items()} == expected(holder["health_insurance"], NHSO)


@pytest.mark.parametrize("le", ["", " 00", " 0A", " FF"])
def test_select_on_t0_with_and_without_le(t0_card: BareCard, le: str) -> None:
    assert t0_card.send(SELECT_MOI + le) == (b"", "610A")
    assert t0_card.send("00 C0 00 00 0A") == (FCI_MOI, "9000")


def test_select_on_t1_with_and_without_le(t1_card: BareCard) -> None:
    assert t1_card.send(SELECT_MOI) == (b"", "9000")
    information, status = t1_card.send(f"{SELECT_MOI} 00")
    assert (information[2:12], status) == (FCI_MOI, "9000")


@pytest.mark.parametrize("select", [SELECT_MOI, SELECT_NHSO, SELECT_ADM])
def test_a_select_that_fails_leaves_the_application_selected(card: BareCard, select: str) -> None:
    card.select(select)
    assert card.send("00 A4 04 00 08 A0 00 00 00 54 48 00 11") == (b"", "6A82")
    length = {SELECT_MOI: "0D", SELECT_NHSO: "3C", SELECT_ADM: "17"}[select]
    command = f"80 00 00 00 {length}" if select == SELECT_ADM else f"80 B0 00 04 02 00 {length}"
    assert card.send(command)[1] in {f"61{length}", "9000"}


def test_laser_number_at_once(card: BareCard, holder: Person) -> None:
    card.select(SELECT_ADM)
    state, status = card.send("80 00 00 00 17")
    assert status == "9000"
    assert state[7:] == holder["card_admin"]["laser_number"].encode("ascii") + bytes(4)


def test_laser_number_without_le(t0_card: BareCard, holder: Person) -> None:
    t0_card.select(SELECT_ADM)
    assert t0_card.send("80 00 00 00") == (b"", "6C17")
    state, status = t0_card.send("80 00 00 00 17")
    assert (state[7:19].decode("ascii"), status) == (holder["card_admin"]["laser_number"], "9000")


@pytest.mark.parametrize("get_response", ["00 C0 00 00 10", "00 C0 00 01 10", "80 C0 00 00 10"])
def test_laser_number_after_a_short_read(card: BareCard, holder: Person, get_response: str) -> None:
    card.select(SELECT_ADM)
    head, status = card.send("80 00 00 00 07")
    assert (len(head), status) == (7, "6110")
    rest, status = card.send(get_response)
    assert (rest.rstrip(b"\0").decode("ascii"), status) == (holder["card_admin"]["laser_number"], "9000")


@pytest.mark.parametrize("select", ["00 A4 04 00", "00 A4 04 00 00", "00 A4 04 00 02 43 4D"])
def test_chip_serial_from_the_card_manager(t0_card: BareCard, holder: Person, select: str) -> None:
    assert t0_card.send(select) == (b"", "6112")
    assert t0_card.send("80 CA 9F 7F") == (b"", "6C2D")
    cplc, status = t0_card.send("80 CA 9F 7F 2D")
    assert (len(cplc), status) == (45, "9000")
    assert cplc[13:21] == bytes.fromhex(holder["card_admin"]["chip_serial"])


def test_the_standard_way_on_t1_reads_the_record_in_one_exchange(t1_card: BareCard, holder: Person) -> None:
    t1_card.select(SELECT_MOI)
    record, status = t1_card.send("00 B0 00 00 00 00 00")  # extended Le: all
    assert (len(record), status) == (RECORD_LEN, "9000")
    assert record[PHOTO : PHOTO + PHOTO_LEN] == holder["citizen_id"]["photo"].ljust(PHOTO_LEN)


def test_the_thai_read_with_le_on_t1_answers_at_once(t1_card: BareCard, holder: Person) -> None:
    t1_card.select(SELECT_MOI)
    cid = holder["citizen_id"]["cid"].encode("ascii")
    assert t1_card.send("80 B0 00 04 02 00 0D 00") == (cid, "9000")


@pytest.mark.parametrize("protocol", ["T=0", "T=1"])
def test_pyscards_card_connection(cards: dict[str, str], holder: Person, protocol: str) -> None:
    """The interface that programs in Python use."""
    system = importlib.import_module("smartcard.System")
    constants = importlib.import_module("smartcard.CardConnection").CardConnection
    reader = next(reader for reader in system.readers() if str(reader) == cards[protocol])
    connection = reader.createConnection()
    connection.connect(constants.T0_protocol if protocol == "T=0" else constants.T1_protocol)
    try:
        assert bytes(connection.getATR()) == bytes.fromhex(holder["atr"]["t0" if protocol == "T=0" else "t1"])
        _, sw1, _ = connection.transmit(list(bytes.fromhex(SELECT_MOI)))
        assert sw1 in {0x61, 0x90}
        assert connection.transmit([0x80, 0xB0, 0x00, 0x04, 0x02, 0x00, 0x0D]) == ([], 0x61, 0x0D)
        data, *status = connection.transmit([0x00, 0xC0, 0x00, 0x00, 0x0D])
        assert (bytes(data).decode("ascii"), status) == (holder["citizen_id"]["cid"], [0x90, 0x00])
    finally:
        connection.disconnect()
