"""The personas' files themselves: what the card's fields hold, and the peculiarity that each persona is there for."""

import io
import json
from collections.abc import Mapping
from functools import reduce
from importlib.resources import files
from operator import xor
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from cardapps.personas.draw.figure import portrait
from cardapps.personas.draw.people import LOOKS
from ecitizen.model import CardDate, DatePrecision, OfficialStatus, Sex

FOLDER = files("cardapps.personas")
DATA: Mapping[str, dict[str, Any]] = {
    entry.name.removesuffix(".json"): json.loads(entry.read_text(encoding="utf-8"))
    for entry in FOLDER.iterdir()
    if entry.name.endswith(".json")
}
NAMES = sorted(DATA)
WITH_PHOTO = [name for name in NAMES if DATA[name]["citizen_id"]["photo"]]

CITIZEN_KEYS = {
    *("cid", "name_th", "name_en", "birth_date", "sex", "request_number", "issue_place", "issuer_code", "issue_date"),
    *("expiry_date", "card_type", "address", "photo_number", "layout_version", "photo"),
}
HEALTH_KEYS = {
    *("main_scheme", "sub_scheme", "main_hospital", "sub_hospital", "paid_type", "issue_date", "expiry_date"),
    *("update_date", "hospital_changes"),
}
SERVANT_KEYS = {
    *("officer_number", "ministry", "department", "position", "level", "status", "appointed_date", "expiry_date"),
    *("issuing_authority", "legal_reference"),
}
NAME_PARTS = ["prefix", "first", "middle", "last"]
ADDRESS_PARTS = ["house_no", "moo", "trok", "soi", "road", "tambon", "amphoe", "province"]
FIELD_LENS = {
    "name_th": 100,
    "name_en": 100,
    "issue_place": 100,
    "address": 160,
    "main_scheme": 60,
    "sub_scheme": 100,
    "main_hospital": 80,
    "sub_hospital": 80,
}
PHOTO_OFFSET, PHOTO_LEN, CHUNK_LEN = 379, 5118, 255
TODAY = CardDate.parse("25691122")


def citizen(name: str) -> dict[str, Any]:
    found: dict[str, Any] = DATA[name]["citizen_id"]
    return found


def photo(name: str) -> bytes:
    return FOLDER.joinpath(citizen(name)["photo"]).read_bytes()


def on_card(value: Any) -> bytes:
    """The text of a field, its parts joined, in the card's character set."""
    return ("#".join(value.values()) if isinstance(value, dict) else value or "").encode("cp874")


def check_digit(cid: str) -> str:
    return str((11 - sum(int(digit) * (13 - at) for at, digit in enumerate(cid[:12])) % 11) % 10)


def jpeg_segments(data: bytes) -> list[tuple[int, int, bytes]]:
    """Marker, offset and body of each segment up to the scan."""
    assert data[:2] == b"\xff\xd8"
    segments: list[tuple[int, int, bytes]] = []
    at = 2
    while not segments or segments[-1][0] != 0xDA:
        assert data[at] == 0xFF
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append((data[at + 1], at, data[at + 4 : at + 2 + length]))
        at += 2 + length
    return segments


def test_all_kinds_of_holder_are_there() -> None:
    assert sorted([*LOOKS, "kla"]) == NAMES
    assert len(NAMES) == 20


@pytest.mark.parametrize("name", NAMES)
def test_shape(name: str) -> None:
    data = DATA[name]
    assert data["name"] == name
    assert data["description"].isascii()
    assert "\n" not in data["description"]
    assert set(citizen(name)) == CITIZEN_KEYS
    for application, keys in (("health_insurance", HEALTH_KEYS), ("civil_servant", SERVANT_KEYS)):
        assert data[application] is None or set(data[application]) == keys
    assert set(data["card_admin"]) == {"laser_number", "chip_serial"}
    for key, parts in (("name_th", NAME_PARTS), ("name_en", NAME_PARTS), ("address", ADDRESS_PARTS)):
        assert citizen(name)[key] is None or list(citizen(name)[key]) == parts


@pytest.mark.parametrize("name", NAMES)
def test_citizen_number_is_well_formed_but_of_no_registration_office(name: str) -> None:
    for number in (citizen(name)["cid"], citizen(name)["issuer_code"]):
        if number is not None:
            assert len(number) == 13
            assert number[12] == check_digit(number)
            assert number[1:5] in {"0000", "9999"}


@pytest.mark.parametrize("name", NAMES)
def test_texts_fit_their_fields(name: str) -> None:
    health = DATA[name]["health_insurance"] or {}
    for key, value in (*citizen(name).items(), *health.items()):
        if key in FIELD_LENS:
            assert len(on_card(value)) <= FIELD_LENS[key]
            texts = value.values() if isinstance(value, dict) else [value or ""]
            assert all("#" not in text and text == text.strip() for text in texts)
    if health:
        assert health["paid_type"] is None or len(health["paid_type"]) == 1
        assert health["hospital_changes"] in {None, *range(10)}


@pytest.mark.parametrize("name", NAMES)
def test_numbers_and_codes(name: str) -> None:
    record, admin = citizen(name), DATA[name]["card_admin"]
    bytes.fromhex(admin["chip_serial"])
    assert len(admin["chip_serial"]) == 16
    assert admin["chip_serial"] == admin["chip_serial"].upper()
    if name == "kla":
        return
    assert admin["laser_number"][:2].isalpha()
    assert admin["laser_number"][2:].isdigit()
    assert len(admin["laser_number"]) == 12
    assert Sex(record["sex"]) in {Sex.MALE, Sex.FEMALE}
    assert record["card_type"] == "01"
    request = record["request_number"]
    assert (len(request), request[:11].isdigit(), request[12:].isdigit()) == (20, True, True)
    if record["layout_version"] == "0003":
        assert len(record["photo_number"]) == 14
        assert record["photo_number"].endswith(request[12:])  # the same eight digits are printed under the photo


@pytest.mark.parametrize("name", NAMES)
def test_dates(name: str) -> None:
    dates = [
        CardDate.parse(value)
        for application in ("citizen_id", "health_insurance", "civil_servant")
        for key, value in (DATA[name][application] or {}).items()
        if key.endswith("_date") and value is not None
    ]
    assert bool(dates) == (name != "kla")
    if name != "kla":
        record = citizen(name)
        assert record["birth_date"] < record["issue_date"] < TODAY.raw
        assert (TODAY.raw < record["expiry_date"]) == (name != "expired")


@pytest.mark.parametrize("name", NAMES)
def test_atr(name: str) -> None:
    history = DATA[name]["generation"].encode("ascii")
    t0, t1 = (bytes.fromhex(DATA[name]["atr"][key]) for key in ("t0", "t1"))
    assert t0[1] & 0x0F == t1[1] & 0x0F == len(history)
    assert t0.endswith(b"\0\0" + history)
    assert t1[:-1].endswith(bytes.fromhex("8131FE45") + history)
    assert reduce(xor, t1[1:]) == 0
    speed = t0[2:-2] if t0[1] >> 4 == 7 else b""
    assert t0[1] >> 4 == (7 if speed else 6)
    assert t1[1] >> 4 == (9 if speed else 8)
    assert t1[2:].startswith(speed[:1] + b"\x81")


def test_known_atrs() -> None:
    assert DATA["somchai"]["atr"] == {"t0": "3B799600005448204E4944203137", "t1": "3B99968131FE455448204E49442031375D"}
    assert DATA["vichai"]["atr"]["t0"] == "3B6800005448204E49442036"
    assert DATA["boonmee"]["atr"]["t0"] == "3B791800005448204E4944203130"
    assert DATA["malee"]["atr"]["t0"].startswith("3B67")


def test_nobody_shares_a_number() -> None:
    for application, key in (
        ("citizen_id", "cid"),
        ("citizen_id", "request_number"),
        ("citizen_id", "photo_number"),
        ("card_admin", "laser_number"),
        ("card_admin", "chip_serial"),
    ):
        numbers = [DATA[name][application][key] for name in NAMES if DATA[name][application][key]]
        assert len(numbers) == len(set(numbers)) >= 12


def test_civil_servants() -> None:
    serving = DATA["wanida"]["civil_servant"]
    assert OfficialStatus(serving["status"]) is OfficialStatus.ACTIVE
    assert all(DATA["wanida"][application] for application in ("citizen_id", "health_insurance", "card_admin"))
    assert "พ.ศ. 2542" in serving["legal_reference"]["th"]
    assert "B.E. 2542 (1999)" in serving["legal_reference"]["en"]
    assert DATA["somchai"]["civil_servant"] is None
    assert OfficialStatus(DATA["boonmee"]["civil_servant"]["status"]) is OfficialStatus.RETIRED


def test_peculiarities_of_text() -> None:
    assert CardDate.parse(citizen("boonmee")["expiry_date"]).lifelong
    assert CardDate.parse(citizen("thongdee")["birth_date"]).precision is DatePrecision.YEAR
    assert citizen("naree")["address"]["province"] == "กรุงเทพมหานคร"
    address = citizen("prasert")["address"]
    assert 100 < len(on_card(address)) <= 160
    assert address["moo"]
    assert address["soi"]
    assert address["road"]
    assert citizen("ploy")["name_th"]["middle"]
    assert " " in citizen("ploy")["name_th"]["last"]
    assert DATA["anong"]["health_insurance"] is None
    health = DATA["manop"]["health_insurance"]
    assert {health[key] for key in ("issue_date", "expiry_date", "update_date")} == {" " * 8}
    assert citizen("vichai")["layout_version"] == "0002"
    assert citizen("vichai")["photo_number"] is None
    assert len(on_card(citizen("vichai")["address"])) <= 150


def test_each_card_that_is_not_genuine_is_named_after_what_it_is() -> None:
    conditions = {name: data["condition"] for name, data in DATA.items() if "condition" in data}
    named = ("altered", "cloned", "expired", "revoked", "suspended", "untrusted")
    assert conditions == {"kla": "incomplete"} | {name: name for name in named}
    assert DATA["suspended"]["civil_servant"]["status"] == "active"  # the card itself can't know


def test_half_personalised_card() -> None:
    written = {key for key, value in citizen("kla").items() if value is not None}
    assert written == {"layout_version", "cid", "name_th"}
    assert set(DATA["kla"]["health_insurance"].values()) == {None}
    assert DATA["kla"]["card_admin"]["laser_number"] is None


def test_each_portrait_belongs_to_its_persona() -> None:
    assert sorted(LOOKS) == WITH_PHOTO
    assert all(citizen(name)["photo"] == f"{name}.jpg" for name in WITH_PHOTO)


@pytest.mark.parametrize("name", WITH_PHOTO)
def test_portrait_is_a_baseline_jfif_of_the_right_size(name: str) -> None:
    data = photo(name)
    if name == "chai":
        assert 4800 < len(data) < PHOTO_LEN
    else:
        assert len(data) == (PHOTO_LEN if name == "siriporn" else 4960)
    assert data.endswith(b"\xff\xd9")
    markers = {marker: body for marker, _, body in jpeg_segments(data)}
    assert markers[0xE0].startswith(b"JFIF\0")
    assert 0xC0 in markers
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert (picture.format, picture.size, picture.mode) == ("JPEG", (148, 178), "RGB")


@pytest.mark.parametrize("name", WITH_PHOTO)
def test_portrait_shows_what_the_script_draws(name: str) -> None:
    """Within what compression loses; bytes may differ between versions of Pillow, which scales the drawing."""
    shown = Image.open(io.BytesIO(photo(name))).convert("RGB")
    drawn = portrait(LOOKS[name]).crop((0, 0, 148, 178))
    others = [portrait(LOOKS[other]).crop((0, 0, 148, 178)) for other in WITH_PHOTO if other != name]

    def difference(other: Image.Image) -> float:
        return sum(ImageStat.Stat(ImageChops.difference(shown, other)).mean)

    assert difference(drawn) < 12
    assert difference(drawn) < min(map(difference, others))


def test_wanida_has_an_end_marker_that_is_none() -> None:
    data = photo("wanida")
    [(at, body)] = [(at, body) for marker, at, body in jpeg_segments(data) if marker == 0xFE]
    assert at < data.index(b"\xff\xd9") < at + 4 + len(body) < len(data) - 2


@pytest.mark.parametrize("first", [CHUNK_LEN, -PHOTO_OFFSET % CHUNK_LEN])
def test_chai_has_spaces_at_every_chunk_edge(first: int) -> None:
    data = photo("chai")
    edges = range(first, len(data), CHUNK_LEN)
    assert len(edges) >= 19
    assert {data[edge - 1 : edge + 1] for edge in edges} == {b"  "}
    _, scan_at, _ = jpeg_segments(data)[-1]
    assert sum(edge > scan_at for edge in edges) >= 10  # not only in comments


def test_package_data_is_small() -> None:
    sizes = [len(entry.read_bytes()) for entry in FOLDER.iterdir() if entry.name.endswith((".json", ".jpg"))]
    assert len(sizes) == 39
    assert sum(sizes) < 200_000
