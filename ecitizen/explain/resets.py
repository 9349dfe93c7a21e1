"""An answer to reset in words (ISO/IEC 7816-3:2006, clause 8)."""

from ..errors import DecodeError
from ..iso7816.atr import GLOBAL_T, Atr
from ..iso7816.link_time import CLOCK_HZ, N_SHORTEST
from .objects import printable
from .values import Explanation, Kind, Part


def explain_atr(raw: bytes) -> Explanation:
    """The bytes as an answer to reset."""
    try:
        atr = Atr.parse(raw)
    except DecodeError as error:
        return Explanation(Kind.ATR, f"no answer to reset: {error}", fits=False)
    protocols = " and ".join(f"T={number}" for number in atr.protocols)
    speed = atr.bits_per_second(CLOCK_HZ)
    quick = f", {speed:,.0f} bit/s at 4 MHz" if speed else ""
    history = printable(atr.historical)
    summary = f"answer to reset, {protocols}{quick}{f', {history}' if history else ''}"
    parts = [
        Part("TS", raw[:1], f"{atr.convention} convention"),
        Part("T0", raw[1:2], f"{len(atr.historical)} historical bytes"),
        *(Part(name, bytes((byte,)), _interface_words(atr, name, byte)) for name, byte in atr.interface.items()),
    ]
    if atr.historical:
        parts.append(Part("historical bytes", atr.historical, history or _category(atr.historical), _objects(atr)))
    if atr.tck is not None:
        parts.append(Part("TCK", raw[-1:], "check byte, right"))
    return Explanation(Kind.ATR, summary, tuple(parts))


def _interface_words(atr: Atr, name: str, byte: int) -> str:
    letter, group = name[1], int(name[2:])
    if letter == "D":
        protocol = byte & 0x0F
        return "global interface bytes follow" if protocol == GLOBAL_T else f"offers T={protocol}"
    if group > 2:
        return _specific_words(letter, atr.interface[f"TD{group - 1}"] & 0x0F, byte)
    return {
        "TA1": _speed(atr),
        "TB1": "programming voltage, no longer in use",
        "TC1": _guard_time(byte),
        "TA2": f"insists on T={byte & 0x0F}",
        "TB2": "programming voltage, no longer in use",
        "TC2": f"T=0 waiting time integer {byte}",
    }[name]


def _specific_words(letter: str, protocol: int, byte: int) -> str:
    """Interface bytes from the third group on: of the protocol that the TD before them names."""
    if protocol == 1:
        return {
            "A": f"T=1 information field of the card: {byte} bytes",
            "B": f"T=1 waiting times: block {byte >> 4}, character {byte & 0x0F}",
            "C": f"T=1 check by {'CRC' if byte & 0x01 else 'LRC'}",
        }[letter]
    if protocol == GLOBAL_T:
        return {"A": "clock stop and classes of voltage", "B": "use of contact SPU", "C": "reserved"}[letter]
    return f"specific to T={protocol}"


def _speed(atr: Atr) -> str:
    if atr.fi is None or atr.di is None or atr.max_clock_hz is None:
        return "a reserved value"
    return f"Fi {atr.fi}, Di {atr.di}, clock up to {atr.max_clock_hz / 1_000_000:g} MHz"


def _guard_time(extra: int) -> str:
    if extra == N_SHORTEST:
        return "shortest guard time"
    return f"extra guard time of {extra} bits to the card" if extra else "no extra guard time"


def _category(historical: bytes) -> str:
    return f"category {historical[0]:02X}"


def _objects(atr: Atr) -> tuple[Part, ...]:
    """Historical bytes in COMPACT-TLV, if they are (ISO/IEC 7816-4:2020, 12.1.1)."""
    try:
        objects = atr.compact_tlv()
    except DecodeError:
        return ()
    return tuple(Part(f"{each.tag:X}", each.value, _COMPACT_NAMES.get(each.tag, "")) for each in objects)


# ISO/IEC 7816-4:2020, 12.1.1.
_COMPACT_NAMES = {
    0x1: "country code",
    0x2: "issuer identification number",
    0x3: "card service data",
    0x4: "initial access data",
    0x5: "card issuer's data",
    0x6: "pre-issuing data",
    0x7: "card capabilities",
    0x8: "status",
    0xF: "application identifier",
}
