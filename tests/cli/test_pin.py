"""`ecitizen pin`, and where PINs come from: descriptors and the terminal, and nowhere that others can see."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli import prompts
from cli.main import main

ROOT = Path(__file__).parents[2]
PIN, PUK = "123456", "12345678"
LIMIT = 20.0


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


class Give(Protocol):
    def __call__(self, *texts: str) -> str: ...


@pytest.fixture(autouse=True)
def nobody_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that asks a person who isn't there must fail, not wait; `Terminal` is how to be there."""

    def no_terminal(_: str) -> str:
        import getpass

        raise getpass.GetPassWarning

    monkeypatch.setattr("getpass.getpass", no_terminal)


def tries(run: Run, card: str, which: str = "pin") -> object:
    return run("pin", "status", "--reader", card, "--json").json()[which]["retries_left"]


# pin status


def test_the_status_tells_tries_and_defaults_without_using_a_try(run: Run, signing_card: str) -> None:
    shown = run("pin", "status", "--reader", signing_card)
    line = "tries left: 3 of 3, the one that everybody knows: change it\n"
    assert (shown.code, shown.out, shown.err) == (0, f"PIN: {line}PUK: {line}", "")
    state = {"retries_left": 3, "retries_max": 3, "verified": False, "is_default": True}
    expected = {"schema_version": 1, "application": "piv", "pin": state, "puk": state}
    assert run("pin", "status", "--reader", signing_card, "--json").json() == expected


def test_a_card_without_extensions_tells_less(run: Run, plain_card: str) -> None:
    shown = run("pin", "status", "--reader", plain_card)
    assert shown.out == "PIN: tries left: 3\nPUK: the card does not tell how many tries are left\n"
    assert run("pin", "status", "--reader", plain_card, "--json").json()["puk"] == {
        "retries_left": None,
        "retries_max": None,
        "verified": False,
        "is_default": None,
    }


def test_a_card_without_a_signing_application_is_the_wrong_card(run: Run, image: Any) -> None:
    done = run("pin", "status", "--reader", f"virtual:{image('somchai')}", "--json")
    assert done.code == 6
    assert done.json()["error"]["code"] == "app_not_found"


# verify, change, unblock


def test_the_right_pin_is_verified_and_gives_all_tries_back(run: Run, give: Give, signing_card: str) -> None:
    run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"))
    assert tries(run, signing_card) == 2
    done = run("pin", "verify", "--reader", signing_card, "--pin-fd", give(PIN))
    assert (done.code, done.err) == (0, "The PIN is right.\n")
    assert tries(run, signing_card) == 3


def test_a_wrong_pin_is_told_with_the_tries_left_in_either_language(run: Run, give: Give, signing_card: str) -> None:
    english = run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"))
    assert (english.code, english.out) == (6, "")
    assert "2 tries are left" in english.err
    thai = run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"), "--lang", "th")
    assert thai.code == 6
    assert thai.err.startswith("ecitizen: รหัสไม่ถูกต้อง")
    assert thai.err.endswith("เหลืออีก 1 ครั้ง\n")


def test_the_last_try_is_kept_unless_it_was_meant(run: Run, give: Give, signing_card: str) -> None:
    for _ in range(2):
        run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"))
    kept = run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"), "--json")
    assert (kept.code, kept.json()["error"]["code"]) == (2, "last_try")
    assert "--last-try" in kept.err
    assert tries(run, signing_card) == 1
    used = run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"), "--last-try", "--json")
    assert (used.code, used.json()["error"]["code"]) == (6, "pin_blocked")
    assert run("pin", "status", "--reader", signing_card).out.startswith("PIN: blocked")
    blocked = run("pin", "verify", "--reader", signing_card, "--pin-fd", give(PIN), "--json")
    assert (blocked.code, blocked.json()["error"]["code"]) == (6, "pin_blocked")


def test_a_blocked_pin_is_unblocked_with_the_puk(run: Run, give: Give, signing_card: str) -> None:
    for _ in range(3):
        run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"), "--last-try")
    both = give(PUK, "222222")
    done = run("pin", "unblock", "--reader", signing_card, "--puk-fd", both, "--new-pin-fd", both)
    assert (done.code, done.err) == (0, "The PIN is set, and unblocked.\n")
    assert done.out.startswith("PIN: tries left: 3 of 3\n"), "and no longer the default one"
    assert run("pin", "verify", "--reader", signing_card, "--pin-fd", give("222222")).code == 0


def test_pin_and_puk_are_changed(run: Run, give: Give, signing_card: str) -> None:
    pins = ("--pin-fd", give(PIN), "--new-pin-fd", give("222222"))
    changed = run("pin", "change", "--reader", signing_card, *pins, "--json")
    assert (changed.code, changed.json()["pin"]["is_default"]) == (0, False)
    assert run("pin", "verify", "--reader", signing_card, "--pin-fd", give(PIN)).code == 6
    puks = ("--puk", "--puk-fd", give(PUK), "--new-puk-fd", give("ab-CD 1!"))
    assert run("pin", "change", "--reader", signing_card, *puks).code == 0
    unblock = ("--puk-fd", give("ab-CD 1!"), "--new-pin-fd", give("333333"))
    assert run("pin", "unblock", "--reader", signing_card, *unblock).code == 0
    assert run("pin", "verify", "--reader", signing_card, "--pin-fd", give("333333")).code == 0


def test_a_wrong_puk_costs_a_try_of_the_puk(run: Run, give: Give, signing_card: str) -> None:
    wrong = ("--puk-fd", give("99999999"), "--new-pin-fd", give("222222"))
    assert run("pin", "unblock", "--reader", signing_card, *wrong).code == 6
    assert (tries(run, signing_card, "puk"), tries(run, signing_card, "pin")) == (2, 3)


def test_descriptors_that_the_deed_does_not_need_are_a_mistake(run: Run, give: Give, signing_card: str) -> None:
    for arguments in (("--puk", "--pin-fd"), ("--puk-fd",), ("--new-puk-fd",), ("--puk", "--new-pin-fd")):
        done = run("pin", "change", "--reader", signing_card, *arguments, give(PIN), "--json")
        assert (done.code, done.json()["error"]["code"]) == (2, "usage")
    assert tries(run, signing_card) == 3


@pytest.mark.parametrize("text", ["", "12345", "123456789", "12345a", "๑๒๓๔๕๖", "12345\0"])
def test_what_can_not_be_a_pin_is_not_sent(text: str, run: Run, give: Give, signing_card: str) -> None:
    done = run("pin", "verify", "--reader", signing_card, "--pin-fd", give(text), "--json")
    assert (done.code, done.json()["error"]["code"]) == (2, "pin_malformed")
    assert tries(run, signing_card) == 3


def test_a_new_pin_must_have_its_form_before_the_old_one_is_sent(run: Run, give: Give, signing_card: str) -> None:
    done = run("pin", "change", "--reader", signing_card, "--pin-fd", give("999999"), "--new-pin-fd", give("short"))
    assert done.code == 2
    assert tries(run, signing_card) == 3


# Descriptors


@pytest.fixture
def read_pin(run: Run, signing_card: str) -> Any:
    return lambda number: run("pin", "verify", "--reader", signing_card, "--pin-fd", str(number), "--json")


def test_a_line_may_end_as_on_windows_or_with_the_file(read_pin: Any) -> None:
    for content in (b"123456\r\n", b"123456"):
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        assert read_pin(reading).code == 0


def test_a_descriptor_is_closed_with_what_it_still_holds(read_pin: Any) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"123456\nmore\n")
    assert read_pin(reading).code == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)
    os.close(writing)


def test_a_descriptor_that_is_none_gives_nothing_or_too_much_is_a_mistake(read_pin: Any, tmp_path: Path) -> None:
    long, folder = tmp_path / "long", os.open(tmp_path, os.O_RDONLY)
    long.write_bytes(b"1" * (prompts.LINE_MAX_LEN + 1))
    empty = os.open(os.devnull, os.O_RDONLY)
    main_side, terminal = pty.openpty()
    for number, reason in (
        (9999, "can't be read"),
        (folder, "can't be read"),
        (os.open(long, os.O_RDONLY), "that is no PIN"),
        (empty, "gave nothing"),
        (terminal, "is a terminal"),
    ):
        done = read_pin(number)
        assert (done.code, done.json()["error"]["code"]) == (2, "usage")
        assert reason in done.err
    os.close(main_side)


@pytest.mark.parametrize("number", ["-1", "three", "", str(1 << 64)])
def test_a_number_that_is_none_is_a_wrong_command_line(number: str, run: Run, signing_card: str) -> None:
    assert run("pin", "verify", "--reader", signing_card, "--pin-fd", number).code == 2


def test_descriptors_are_read_before_the_card_is_opened(run: Run, give: Give) -> None:
    done = run("pin", "verify", "--reader", "virtual:nobody.json", "--pin-fd", give("x"), "--json")
    assert done.json()["error"]["code"] == "pin_malformed"


def test_without_a_terminal_the_command_says_how_to_give_the_pin(run: Run, signing_card: str) -> None:
    for arguments, option in (
        (["verify"], "--pin-fd"),
        (["change"], "--pin-fd"),
        (["change", "--puk"], "--puk-fd"),
        (["unblock"], "--puk-fd"),
    ):
        done = run("pin", *arguments, "--reader", signing_card, "--json")
        assert (done.code, done.json()["error"]["code"]) == (2, "usage")
        assert f"{option} N" in done.err


# The terminal


TAKE_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """The command in a process of its own, with a terminal at which a person types."""

    def __init__(self, *arguments: str) -> None:
        self._side, terminal = pty.openpty()
        command = [sys.executable, "-c", TAKE_THE_TERMINAL, sys.executable, "-m", "cli", *arguments]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
        os.close(terminal)
        self.seen = ""

    def until(self, text: str) -> None:
        """Read what is on the screen until it says this."""
        start = len(self.seen)
        while text not in self.seen[start:]:
            piece = os.read(self._side, 1024)
            assert piece, self.seen
            self.seen += piece.decode()

    def type(self, text: str) -> None:
        os.write(self._side, text.encode())

    def end(self) -> int:
        """What is still shown, and the exit code."""
        try:
            while piece := os.read(self._side, 1024):
                self.seen += piece.decode()
        except OSError:  # how Linux says that the other side of a terminal is closed
            pass
        os.close(self._side)
        return self._process.wait(LIMIT)


def test_a_pin_that_is_typed_is_not_shown(signing_card: str) -> None:
    at = Terminal("pin", "verify", "--reader", signing_card)
    at.until("PIN (tries left: 3): ")
    at.type(f"{PIN}\n")
    assert at.end() == 0
    assert "The PIN is right." in at.seen
    assert PIN not in at.seen


def test_a_new_pin_is_typed_twice(run: Run, give: Give, signing_card: str) -> None:
    at = Terminal("pin", "change", "--reader", signing_card, "--lang", "th")
    at.until("รหัส PIN (เหลืออีก 3 ครั้ง): ")
    at.type(f"{PIN}\n")
    at.until("รหัส PIN ใหม่ ตัวเลข 6 ถึง 8 หลัก: ")
    at.type("222222\n")
    at.until("ใส่อีกครั้งให้เหมือนกัน: ")
    at.type("222222\n")
    assert at.end() == 0
    assert run("pin", "verify", "--reader", signing_card, "--pin-fd", give("222222")).code == 0


def test_two_different_new_pins_change_nothing(run: Run, signing_card: str) -> None:
    at = Terminal("pin", "unblock", "--reader", signing_card)
    for prompt, typed in (("PUK (tries left: 3): ", "99999999"), ("New PIN", "222222"), ("The same again: ", "222223")):
        at.until(prompt)
        at.type(f"{typed}\n")
    assert at.end() == 2
    assert "not the same" in at.seen
    assert tries(run, signing_card, "puk") == 3


@pytest.mark.parametrize(("answer", "code", "left"), [("yes", 0, 3), ("y", 2, 1), ("", 2, 1)])
def test_the_last_try_is_asked_for(answer: str, code: int, left: int, run: Run, give: Give, signing_card: str) -> None:
    for _ in range(2):
        run("pin", "verify", "--reader", signing_card, "--pin-fd", give("999999"))
    at = Terminal("pin", "verify", "--reader", signing_card)
    at.until("Type yes to use it: ")
    at.type(f"{answer}\n")
    if answer == "yes":
        at.until("PIN (tries left: 1): ")
        at.type(f"{PIN}\n")
    assert at.end() == code
    assert tries(run, signing_card) == left


def test_the_end_of_the_input_and_ctrl_c_do_nothing_to_the_card(run: Run, signing_card: str) -> None:
    for key, code in (("\x04", 2), ("\x03", 130)):
        at = Terminal("pin", "verify", "--reader", signing_card)
        at.until("PIN (tries left: 3): ")
        at.type(key)
        assert at.end() == code
        assert "Traceback" not in at.seen
    assert tries(run, signing_card) == 3


# Nothing of it is seen anywhere


def test_no_secret_is_in_any_output_or_trace(
    give: Give, signing_card: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace"
    seen = ""
    for arguments in (
        ["verify", "--pin-fd", give("987654")],
        ["change", "--pin-fd", give(PIN), "--new-pin-fd", give("456789")],
        ["unblock", "--puk-fd", give("11223344"), "--new-pin-fd", give("456789")],
        ["verify", "--pin-fd", give("4567890")],
    ):
        main(["trace", "--out", str(trace), "--", "pin", *arguments, "--reader", signing_card])
        shown = capsys.readouterr()
        seen += shown.out + shown.err + trace.read_text("utf-8")
    assert "20 00 80" in seen, "the trace has the command"
    for secret in ("987654", PIN, "456789", "11223344", "4567890"):
        assert secret not in seen
        assert secret.encode().hex(" ").upper() not in seen


def test_pins_can_not_be_given_on_the_command_line(run: Run, signing_card: str) -> None:
    for option in ("--pin", "--puk-code", "--new-pin", "--management-key", "--passphrase"):
        done = run("pin", "change", "--reader", signing_card, option, PIN)
        assert done.code == 2
        assert "unrecognized arguments" in done.err, "not even as the beginning of another option"
    assert run("pin", "verify", "--reader", signing_card, PIN).code == 2
