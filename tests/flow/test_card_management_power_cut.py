"""The power goes at every write of every command of card management: the card is as before it, or as after it.

Several bytes of each write are tried. What is compared is the whole image, so that neither registry nor sections are
left half made; and a card that was cut can be managed again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecitizen.emulator.faults import PowerCutAt
from ecitizen.emulator.image import CardImage, Value
from ecitizen.errors import CardRemoved
from ecitizen.secure_channel.handshake import Scp03Keys
from ecitizen.secure_channel.key_blocks import encode_key
from tests.unit.gp_host import KVN, published_keys
from tests.unit.gp_issued import (
    CARD_ADMIN,
    CITIZEN_ID,
    INTERIOR,
    ISSUER,
    OTHER_DOMAIN,
    PIV,
    Manager,
    application,
    dgi,
    domain,
    extradition,
    interior_keys,
    issued,
    lv,
    personalisation,
)
from tests.unit.test_piv_applet_personalising import PERSONAL, PUT_CHUID, UNBLOCK
from tests.unit.test_security_domain_power_cut import QuickDisk, QuickFaultyDisk

State = dict[str, dict[str, Value]]
Deed = Callable[[Manager], int]

STATE = bytes.fromhex("01000000000000") + b"JC1234567890" + bytes(4)
NEW_KEYS = bytes((0x02,)) + encode_key(interior_keys().dek, published_keys(0x02, 32, 0x90).enc) * 3
FIRST_KEYS = bytes((0x01,)) + encode_key(published_keys().dek, published_keys(0x01, 16, 0x90).enc) * 3


@dataclass(frozen=True)
class Case:
    """A deed and where it is done. `before` brings the card to where it can be done."""

    deed: Deed
    at: bytes = ISSUER
    keys: Callable[[], Scp03Keys] = published_keys
    before: tuple[Deed, ...] = ()
    same: bool = True
    """Whether two runs end alike: keys that the card makes are others each time."""


def two_blocks(host: Manager) -> int:
    assert host.store(dgi(0x0101, b"0003" + bytes(500))[:200], 0x08, 0) == 0x9000
    return host.store(dgi(0x0101, b"0003" + bytes(500))[200:], 0x88, 1)


def for_citizen_id(host: Manager) -> int:
    return host.install(personalisation(CITIZEN_ID), 0x20)


def install_piv(host: Manager) -> int:
    return host.install(application(PIV))


def install_domain(host: Manager) -> int:
    return host.install(domain(OTHER_DOMAIN))


CASES = {
    "INSTALL, application": Case(install_piv),
    "INSTALL, domain": Case(install_domain),
    "INSTALL, not selectable": Case(lambda host: host.install(application(PIV), 0x04)),
    "INSTALL, make selectable": Case(
        lambda host: host.install(lv(b"", b"", PIV, bytes(3), b"", b""), 0x08),
        before=(lambda host: host.install(application(PIV), 0x04),),
    ),
    "INSTALL, extradition": Case(lambda host: host.install(extradition(CARD_ADMIN, INTERIOR), 0x10)),
    "INSTALL, registry update": Case(lambda host: host.install(lv(INTERIOR, b"", CARD_ADMIN, b"", b"", b""), 0x40)),
    "DELETE, application": Case(lambda host: host.delete(CITIZEN_ID)),
    "DELETE, domain with applications": Case(lambda host: host.delete(INTERIOR, 0x80)),
    "SET STATUS, card": Case(lambda host: host.manage(0xF0, 0x80, 0x7F)),
    "SET STATUS, lock": Case(lambda host: host.manage(0xF0, 0x40, 0x80, CITIZEN_ID)),
    "SET STATUS, domain with applications": Case(lambda host: host.manage(0xF0, 0x60, 0x80, INTERIOR)),
    "SET STATUS, personalised": Case(
        lambda host: host.manage(0xF0, 0x40, 0x0F, CITIZEN_ID), at=INTERIOR, keys=interior_keys
    ),
    "PUT KEY, rotated": Case(lambda host: host.manage(0xD8, 0x01, 0x81, NEW_KEYS), at=INTERIOR, keys=interior_keys),
    "PUT KEY, first of a domain": Case(
        lambda host: host.at_domain(OTHER_DOMAIN, published_keys()).manage(0xD8, 0x00, 0x81, FIRST_KEYS),
        before=(install_domain,),
    ),
    "STORE DATA, through the domain": Case(two_blocks, at=INTERIOR, keys=interior_keys, before=(for_citizen_id,)),
    "STORE DATA, application selected": Case(two_blocks, at=CITIZEN_ID, keys=interior_keys),
    "STORE DATA, file and seals": Case(
        lambda host: host.store(dgi(0x0101, STATE) + dgi(0x011C, b"certificate") + dgi(0x011D, b"object")),
        at=CARD_ADMIN,
    ),
    "STORE DATA, a part": Case(
        lambda host: host.store(dgi(0x8101, b"\x00\xe1" + b"2")), at=CITIZEN_ID, keys=interior_keys
    ),
    "STORE DATA, PIN, PUK and 9B": Case(
        lambda host: host.at_domain(PIV, published_keys()).store(PERSONAL, 0xE8), before=(install_piv,)
    ),
    "STORE DATA, of a domain": Case(
        lambda host: host.store(b"\x42\x02\x11\x22\x45\x01\x33", 0x90), at=INTERIOR, keys=interior_keys
    ),
    "GENERATE": Case(
        lambda host: host.at_domain(PIV, published_keys()).ask("0047009AAC03800111").endswith("9000") * 0x9000,
        before=(install_piv,),
        same=False,
    ),
    "PUT DATA": Case(lambda host: host.at_domain(PIV, published_keys()).send(PUT_CHUID).sw, before=(install_piv,)),
    "RESET RETRY COUNTER": Case(
        lambda host: host.at_domain(PIV, published_keys()).send(UNBLOCK).sw, before=(install_piv,)
    ),
}


def new_image(path: Path) -> None:
    source = issued()
    sections = {name: dict(source.read(name)) for name in source.sections()}
    CardImage.create(path, sections, disk=QuickDisk()).close()


def contents(image: CardImage) -> State:
    """Everything, but for the counters of keys, which the opening of the channel moves."""
    found = {name: dict(image.read(name)) for name in image.sections()}
    for section in found.values():
        for value in section.values():
            if isinstance(value, dict) and "sequence" in value:
                value["sequence"] = value["tries"] = 0
    return found


def left(path: Path) -> State:
    """What the power left."""
    with CardImage.open(path, disk=QuickDisk()) as image:
        return contents(image)


def prepared(image: CardImage, case: Case) -> Manager:
    host = Manager.of(image).at_domain(case.at, case.keys())
    for step in case.before:
        assert step(host) == 0x9000
    return host


def whole_run(path: Path, case: Case) -> tuple[State, State, list[int]]:
    """State before and after without any cut, and the lengths of the writes, those before it as 0."""
    new_image(path)
    disk = QuickDisk()
    with CardImage.open(path, disk=disk) as image:
        host = prepared(image, case)
        before, earlier = contents(image), len(disk.written)
        assert case.deed(host) == 0x9000
        return before, contents(image), [0] * earlier + disk.written[earlier:]


def shape(state: State, case: Case) -> object:
    """What is compared: all, or where a key was made that there is one."""
    return state if case.same else {name: sorted(section) for name, section in state.items()}


@pytest.mark.parametrize("name", CASES)
def test_before_or_after_and_never_between(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    before, after, lengths = whole_run(tmp_path / "whole.json", case)
    assert before != after
    seen = []
    for number, length in enumerate(lengths, 1):
        for byte in sorted({0, length // 2, length - 1, length} if length else ()):
            path = tmp_path / f"{number}-{byte}.json"
            new_image(path)
            with CardImage.open(path, disk=QuickFaultyDisk([PowerCutAt(number, byte)])) as image:
                host = prepared(image, case)
                with pytest.raises(CardRemoved):
                    case.deed(host)
            state = left(path)
            assert shape(state, case) in (shape(before, case), shape(after, case)), (number, byte)
            seen.append(state)
            if len(seen) % 4 == 1:
                assert_usable(path)
    assert shape(seen[0], case) == shape(before, case)
    assert shape(seen[-1], case) == shape(after, case)
    assert len(seen) >= 3


def assert_usable(path: Path) -> None:
    """The card that was cut is powered again, and lets itself be managed."""
    with CardImage.open(path, disk=QuickDisk()) as image:
        host = Manager.of(image)
        host.open(published_keys(), kvn=KVN)
        assert host.manage(0xF2, 0x40, 0x02, b"\x4f\x00") in {0x9000, 0x6310}
