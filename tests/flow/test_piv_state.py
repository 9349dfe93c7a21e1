"""The applet's PIN, PUK and management key, step by step against a model of them that knows nothing of the applet.

`python -m tests.flow.test_piv_state --steps 100000` is the long run.
"""

import argparse
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import Value
from tests.piv_card import (
    GET_CHUID,
    MANAGEMENT_KEY,
    PIN_ALWAYS,
    PIN_NEVER,
    PIN_ONCE,
    SELECT,
    SELECT_NEIGHBOUR,
    Hand,
    encipher,
    memory,
    stored,
    template,
)

PINS = ("123456", "654321", "00000000", "1234567")
PUKS = ("12345678", "ABCDEFGH", "abcdef")
MALFORMED_PINS = (b"12345\xff\xff\xff", b"123456\x00\x00", b"1234ab\xff\xff", b"123456\xff7")
MALFORMED_PUKS = (b"12345\xff\xff\xff", b"\xff7654321")
EMPTY = b"\xff" * 8
KEYS = ((0x03, MANAGEMENT_KEY), (0x03, bytes(range(24))), (0x08, bytes(16)), (0x0A, bytes(24)), (0x0C, bytes(32)))
OK, REFUSED, BLOCKED, MALFORMED, WRONG_KEY, NO_RESET = 0x9000, 0x6982, 0x6983, 0x6A80, 0x6A86, 0x6985


def pad(text: str) -> bytes:
    return text.encode().ljust(8, b"\xff")


offered_pins = st.sampled_from([*map(pad, PINS), *MALFORMED_PINS, EMPTY])
offered_puks = st.sampled_from([*map(pad, PUKS), *MALFORMED_PUKS, EMPTY])
keys = st.sampled_from(KEYS)


@dataclass
class Secret:
    """A PIN or PUK, as the standard tells of it."""

    default: str
    malformed: tuple[bytes, ...]
    value: bytes = b""
    left: int = 3
    most: int = 3

    def __post_init__(self) -> None:
        self.value = pad(self.default)

    def try_it(self, offered: bytes) -> int:
        """The status word that a comparison leads to."""
        if not self.left:
            return BLOCKED
        if offered in self.malformed:
            return MALFORMED
        if offered == self.value:
            self.left = self.most
            return OK
        self.left -= 1
        return 0x63C0 + self.left

    def state(self) -> int:
        return 0x63C0 + self.left if self.left else BLOCKED


@dataclass
class Model:
    """What a card should know."""

    pin: Secret = field(default_factory=lambda: Secret("123456", MALFORMED_PINS))
    puk: Secret = field(default_factory=lambda: Secret("12345678", MALFORMED_PUKS))
    key: tuple[int, bytes] = KEYS[0]
    verified: bool = False
    fresh: bool = False
    managed: bool = False
    pending: str | None = None
    """The form of the challenge that the card gave out with the last answer."""
    keys_there: bool = True

    def forget_pin(self) -> None:
        self.verified = self.fresh = False

    def verify(self, offered: bytes) -> int:
        sw = self.pin.try_it(offered)
        if sw == OK:
            self.verified = self.fresh = True
        elif sw not in {BLOCKED, MALFORMED}:
            self.forget_pin()
        return sw

    def change(self, secret: Secret, old: bytes, new: bytes) -> int:
        sw = self.replace(secret, secret, old, new)
        if secret is self.pin and sw == OK:
            self.verified = True
        elif secret is self.pin and sw not in {BLOCKED, MALFORMED}:
            self.forget_pin()
        return sw

    def replace(self, known: Secret, target: Secret, old: bytes, new: bytes) -> int:
        if not known.left:
            return BLOCKED
        if old != EMPTY and (new in target.malformed or new == EMPTY):
            return MALFORMED
        sw = known.try_it(old)
        if sw == OK:
            target.value, target.left = new, target.most
        return sw


class PivMachine(RuleBasedStateMachine):
    """One card and its model, side by side."""

    steps: ClassVar[int] = 0

    @initialize()
    def insert(self) -> None:
        content = memory()
        keys = {
            "key 9A": stored(KeyAlgorithm.ED25519, PIN_ONCE),
            "key 9C": stored(KeyAlgorithm.ED25519, PIN_ALWAYS),
            "key 9E": stored(KeyAlgorithm.ED25519, PIN_NEVER),
        }
        self.hand = Hand({**content, **keys})
        self.model = Model()
        self.given_out = bytes(8)

    def ask(self, head: str, data: bytes = b"") -> tuple[bytes, int]:
        """Send a command; whatever waited for an answer then waits no longer."""
        self.model.pending = None
        return self.hand.send(head, data)

    def expect(self, expected: int, head: str, data: bytes = b"") -> None:
        sw = self.ask(head, data)[1]
        assert sw == expected, f"{head}: {sw:04X}, and {expected:04X} expected"

    # PIN and PUK

    @rule(offered=offered_pins)
    def verify(self, offered: bytes) -> None:
        self.expect(self.model.verify(offered), "00200080", offered)

    @rule()
    def verify_rightly(self) -> None:
        self.verify(self.model.pin.value)

    @rule()
    def ask_the_state(self) -> None:
        self.expect(OK if self.model.verified else self.model.pin.state(), "00200080")

    @rule()
    def end_the_verification(self) -> None:
        self.model.forget_pin()
        self.expect(OK, "0020FF80")

    @rule(old=offered_pins, new=offered_pins, rightly=st.booleans())
    def change_the_pin(self, old: bytes, new: bytes, rightly: bool) -> None:
        old = self.model.pin.value if rightly else old
        self.expect(self.model.change(self.model.pin, old, new), "00240080", old + new)

    @rule(old=offered_puks, new=offered_puks, rightly=st.booleans())
    def change_the_puk(self, old: bytes, new: bytes, rightly: bool) -> None:
        old = self.model.puk.value if rightly else old
        self.expect(self.model.change(self.model.puk, old, new), "00240081", old + new)

    @rule(puk=offered_puks, new=offered_pins, rightly=st.booleans())
    def unblock(self, puk: bytes, new: bytes, rightly: bool) -> None:
        model = self.model
        puk = model.puk.value if rightly else puk
        sw = model.replace(model.puk, model.pin, puk, new)
        if sw not in {OK, BLOCKED, MALFORMED}:
            model.forget_pin()
        self.expect(sw, "002C0080", puk + new)

    @rule(pin=st.integers(1, 4), puk=st.integers(1, 4))
    def set_retries(self, pin: int, puk: int) -> None:
        model = self.model
        allowed = model.managed and model.verified
        if allowed:
            model.pin = Secret("123456", MALFORMED_PINS, left=pin, most=pin)
            model.puk = Secret("12345678", MALFORMED_PUKS, left=puk, most=puk)
            model.forget_pin()
        self.expect(OK if allowed else REFUSED, f"00FA{pin:02X}{puk:02X}")

    @rule()
    def back_to_delivery(self) -> None:
        if self.model.pin.left or self.model.puk.left:
            self.expect(NO_RESET, "00FB0000")
        else:
            self.model = Model(keys_there=False)
            self.expect(OK, "00FB0000")

    @rule()
    def block_both_and_go_back_to_delivery(self) -> None:
        while self.model.pin.left:
            self.verify(EMPTY)
        while self.model.puk.left:
            self.unblock(EMPTY, EMPTY, rightly=False)
        self.back_to_delivery()

    # Management key

    def management(self, data: bytes) -> tuple[bytes, int]:
        pending = self.model.pending
        answer = self.ask(f"0087{self.model.key[0]:02X}9B", data)
        self.model.pending = pending
        return answer

    def cipher(self) -> Any:
        algorithm, key = self.model.key
        return TripleDES(key) if algorithm == 0x03 else AES(key)

    @rule(form=st.sampled_from(["80", "81"]))
    def ask_for_a_challenge(self, form: str) -> None:
        answer, sw = self.management(template(form, b""))
        assert sw == OK
        value = answer[4:]
        assert answer == template(form, value)
        self.given_out = value if form == "81" else decipher(self.cipher(), value)
        self.model.pending = form

    @rule(form=st.sampled_from(["80", "81"]), rightly=st.booleans())
    def answer_a_challenge(self, form: str, rightly: bool) -> None:
        """What was given out last, whether it still counts or not; by the right key or another; in either form."""
        model, length = self.model, 8 if self.model.key[0] == 0x03 else 16
        value = self.given_out[:length].ljust(length, b"\0")
        value = value if rightly else bytes(each ^ 1 for each in value)
        challenge = bytes(range(length))
        if form == "81":
            data = template("82", encipher(self.cipher(), value))
        else:
            data = template("80", value, "81", challenge)
        model.managed = rightly and model.pending == form
        answer, sw = self.management(data)
        model.pending = None
        assert sw == (OK if model.managed else REFUSED)
        if model.managed:
            assert answer == (b"" if form == "81" else template("82", encipher(self.cipher(), challenge)))
        self.write_an_object()

    @rule(
        form=st.sampled_from(["80", "81"]),
        between=st.sampled_from(["", "", "select_again", "select_what_is_not_there", "ask_the_state", "reflect"]),
    )
    def authenticate(self, form: str, between: str) -> None:
        """The whole exchange by who has the key, with something in between or not."""
        self.ask_for_a_challenge(form)
        if between:
            getattr(self, between)()
        self.answer_a_challenge(form, rightly=True)

    @rule()
    def reflect(self) -> None:
        assert self.management(template("82", b"", "81", self.given_out)) == (b"", MALFORMED)
        self.model.pending = None

    @rule()
    def name_another_algorithm(self) -> None:
        self.expect(WRONG_KEY, "0087FF9B", template("81", b""))

    @rule(key=keys)
    def set_the_management_key(self, key: tuple[int, bytes]) -> None:
        algorithm, value = key
        self.expect(OK if self.model.managed else REFUSED, "00FFFFFF", bytes((algorithm, 0x9B, len(value))) + value)
        if self.model.managed:
            self.model.key = key

    # What they are for

    @rule(slot=st.sampled_from(["9A", "9C", "9E"]))
    def sign(self, slot: str) -> None:
        model = self.model
        allowed = {"9A": model.verified, "9C": model.fresh, "9E": True}[slot]
        expected = WRONG_KEY if not model.keys_there else OK if allowed else REFUSED
        self.expect(expected, f"0087E0{slot}", template("82", b"", "81", b"message"))
        if expected == OK and slot != "9E":
            model.fresh = False

    @rule()
    def read_what_the_pin_protects(self) -> None:
        there = OK if self.model.keys_there else 0x6A82
        self.expect(there if self.model.verified else REFUSED, "00CB3FFF", bytes.fromhex("5C035FC109"))

    @rule()
    def write_an_object(self) -> None:
        self.expect(OK if self.model.managed else REFUSED, "00DB3FFF", bytes.fromhex("5C035FC1065301AA"))

    # What goes on around

    @rule()
    def select_again(self) -> None:
        self.model.pending = None
        self.hand.talk(f"{SELECT} > 9000")

    @rule()
    def select_what_is_not_there(self) -> None:
        self.hand.talk("00A4040006F00000000099 > 6A82")  # the card's system, not the applet: a challenge waits on

    @rule()
    def select_another(self) -> None:
        self.leave()
        self.hand.talk(f"{SELECT_NEIGHBOUR} > 9000 \n 00200080 > 6D00 \n {SELECT} > 9000")

    @rule(warm=st.booleans())
    def take_the_power(self, warm: bool) -> None:
        self.leave()
        if warm:
            self.hand.card.reset()
        else:
            self.hand.card.power_off()
            self.hand.card.power_on()
        self.hand.talk(f"{SELECT} > 9000")

    def leave(self) -> None:
        self.model.forget_pin()
        self.model.managed, self.model.pending = False, None

    @rule(command=st.sampled_from(["00CADF3000", "80200080", "00FD000000", "00200081", "0024008001AA"]))
    def send_something_else(self, command: str) -> None:
        self.model.pending = None
        self.hand.card.transmit(bytes.fromhex(command))

    @rule()
    def leave_a_chain_half_way(self) -> None:
        self.hand.talk("10240080083132333435360000 > 9000")
        self.model.pending = None
        self.hand.card.transmit(bytes.fromhex(GET_CHUID))

    # What holds after every step

    @invariant()
    def the_memory_is_the_models(self) -> None:
        type(self).steps += 1
        section, model = self.hand.section, self.model
        found = {name: section[name] for name in STATE}
        expected: dict[str, Value] = {
            "pin": model.pin.value,
            "pin_tries": model.pin.left,
            "pin_tries_max": model.pin.most,
            "puk": model.puk.value,
            "puk_tries": model.puk.left,
            "puk_tries_max": model.puk.most,
            "management_algorithm": model.key[0],
            "management_key": model.key[1],
        }
        assert found == expected


STATE = (
    "pin",
    "pin_tries",
    "pin_tries_max",
    "puk",
    "puk_tries",
    "puk_tries_max",
    "management_algorithm",
    "management_key",
)


def decipher(cipher: Any, block: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    decryptor = Cipher(cipher, ECB()).decryptor()
    return decryptor.update(block) + decryptor.finalize()


def run(steps: int) -> int:
    """Let the machine run for this many steps at least; raise as soon as card and model differ."""
    PivMachine.steps = 0
    effort = settings(
        max_examples=max(10, min(200, steps // 60)),
        stateful_step_count=100,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    while PivMachine.steps < steps:
        run_state_machine_as_test(PivMachine, settings=effort)
    return PivMachine.steps


def test_card_and_model_agree(capsys: pytest.CaptureFixture[str]) -> None:
    steps = run(3_000)
    with capsys.disabled():
        print(f"[{steps} steps] ", end="")


def main() -> None:
    """The long run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=100_000)
    wanted: int = parser.parse_args().steps
    begun = time.monotonic()
    steps = run(wanted)
    print(f"PIV card against its model: {steps} steps without a difference, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
