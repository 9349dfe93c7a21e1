"""`ecitizen trace` and `ecitizen explain`, through the command's own entrance."""

import errno
import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from cli.commands import demo, trace
from cli.exit_codes import ExitCode
from cli.main import main
from ecitizen.errors import CardRemoved
from ecitizen.transport.replay import Transcript
from ecitizen.transport.virtual import VirtualTransport

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def card(tmp_path: Path, capsys: Capture) -> str:
    """The name of a reader with somchai's card in it."""
    image = tmp_path / "card.image"
    assert main(["emulator", "new", str(image), "--persona", "somchai"]) == ExitCode.OK
    capsys.readouterr()
    return f"virtual:{image}"


def exchanges(text: str) -> list[dict[str, Any]]:
    return [each for line in text.splitlines() if (each := json.loads(line))["kind"] == "exchange"]


# --- trace ---


def test_output_and_exit_code_are_those_of_the_command(card: str, capsys: Capture) -> None:
    assert main(["card", "read", "--reader", card, "--app", "card_admin", "--json"]) == ExitCode.OK
    plain = capsys.readouterr().out
    assert main(["trace", "--", "card", "read", "--reader", card, "--app", "card_admin", "--json"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert captured.out == plain
    assert captured.err.startswith("# PINs, keys and personal data are hidden\n")
    assert "> 80 00 00 00 17\n< [23 bytes hidden: unknown content] 90 00\n" in captured.err
    assert "card_admin: the card's state, with the laser number" in captured.err


def test_every_exchange_that_the_command_counts_is_in_the_trace(card: str, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "trace.jsonl"
    assert main(["trace", "--json", "--out", str(out), "card", "read", "--reader", card, "--json"]) == ExitCode.OK
    captured = capsys.readouterr()
    link = json.loads(captured.out)["link"]
    told = exchanges(out.read_text(encoding="utf-8"))
    assert captured.err == ""
    assert len(told) == link["exchanges"]
    assert [each["number"] for each in told] == list(range(1, len(told) + 1))
    lengths = [(len(message["head"]) + len(message["tail"])) // 2 + message["hidden_len"]
               for each in told for message in (each["command"], each["answer"])]  # fmt: skip
    assert sum(lengths) == link["bytes_sent"] + link["bytes_received"]
    assert all(each["link_seconds"] > 0 for each in told)


def test_card_info_and_demo_are_traced_too(
    card: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["trace", "--", "card", "info", "--reader", card]) == ExitCode.OK
    assert "SELECT, A000000054480001 (citizen_id, Citizen ID card)" in capsys.readouterr().err
    monkeypatch.setattr(demo, "_lacking_binding", lambda: ["pyscard"])
    assert main(["trace", "--", "demo", "--out", str(tmp_path / "demo")]) == ExitCode.OK
    assert "\n# 2 at " in capsys.readouterr().err


def test_a_trace_file_is_for_its_owner_even_if_it_was_there_before(card: str, tmp_path: Path) -> None:
    out = tmp_path / "trace.txt"
    out.write_text("old")
    out.chmod(0o644)
    assert main(["trace", "--out", str(out), "--", "card", "info", "--reader", card]) == ExitCode.OK
    assert "old" not in out.read_text(encoding="utf-8")
    if os.name == "posix":
        assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_raw_must_be_said_twice(card: str, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "trace.txt"
    command = ["--", "card", "read", "--reader", card, "--field", "citizen_id.cid"]
    assert main(["trace", "--raw", "--out", str(out), *command]) == ExitCode.USAGE
    assert "give --raw twice" in capsys.readouterr().err
    assert not out.exists()

    assert main(["trace", "--raw", "--raw", "--out", str(out), *command]) == ExitCode.OK
    transcript = Transcript.parse(out.read_text(encoding="utf-8"))
    cid = capsys.readouterr().out.split("Citizen number: ")[1].split("\n")[0].replace("-", "")
    assert any(cid.encode() in answer for _, answer in transcript.exchanges)
    assert "RAW" in out.read_text(encoding="utf-8").splitlines()[0]

    assert main(["trace", "--out", str(out), *command]) == ExitCode.OK
    assert cid.encode().hex(" ").upper() not in out.read_text(encoding="utf-8")


def test_an_error_is_that_of_the_command(card: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def pulled(_: VirtualTransport, __: bytes) -> bytes:
        raise CardRemoved("the card was pulled out")

    monkeypatch.setattr(VirtualTransport, "transmit", pulled)
    assert main(["trace", "--", "card", "info", "--reader", card, "--json"]) == ExitCode.NO_CARD
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == "card_removed"
    assert "# > 00 A4 04 00 08 A0 00 00 00 54 48 00 01" in captured.err
    assert ": card_removed\n" in captured.err


def test_a_command_that_needs_no_card_leaves_no_trace(capsys: Capture) -> None:
    assert main(["trace", "--", "explain", "9000"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert captured.out.startswith("status word 9000: no error\n")
    assert captured.err == "This command did not talk to a card, so there is nothing in the trace.\n"


def test_the_language_may_stand_before_the_command(card: str, capsys: Capture) -> None:
    assert main(["trace", "--", "--lang", "th", "card", "info", "--reader", card]) == ExitCode.OK
    captured = capsys.readouterr()
    assert "\u0e40" in captured.out
    assert "> 00 A4 04 00" in captured.err


@pytest.mark.parametrize("words", [[], ["--"], ["--", "trace", "--", "card", "info"], ["trace", "card", "info"]])
def test_there_must_be_a_command_and_it_is_not_another_trace(words: list[str], capsys: Capture) -> None:
    assert main(["trace", *words]) == ExitCode.USAGE
    assert "trace" in capsys.readouterr().err


def test_a_wrong_command_is_told_by_its_own_parser(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["trace", "--", "card", "eat"])
    assert stopped.value.code == ExitCode.USAGE
    assert "'eat'" in capsys.readouterr().err


def test_a_file_that_can_not_be_written_is_an_error(card: str, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "missing" / "trace.txt"
    assert main(["trace", "--out", str(out), "--", "card", "info", "--reader", card]) == ExitCode.FILE
    assert "can't write" in capsys.readouterr().err


class FullDisk(io.StringIO):
    """A file that can be opened and not written."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        self.flush()


def test_a_full_disk_is_an_error(card: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "open", lambda *_, **__: FullDisk(), raising=False)
    assert main(["trace", "--out", "full", "--", "card", "info", "--reader", card]) == ExitCode.FILE
    assert "can't write full: No space left on device" in capsys.readouterr().err


def test_what_is_no_file_keeps_its_mode(card: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    pipe.chmod(0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert main(["trace", "--out", str(pipe), "--", "card", "info", "--reader", card]) == ExitCode.OK
        assert os.read(reader, 10) == b"# PINs, ke"
        assert stat.S_IMODE(pipe.stat().st_mode) == 0o644
    finally:
        os.close(reader)


# --- explain ---


def test_explain_says_it_in_words(capsys: Capture) -> None:
    assert main(["explain", "80B0", "0004", "02000D"]) == ExitCode.OK
    assert capsys.readouterr().out == (
        "READ BINARY, citizen_id: block 0, bytes 4 to 16: cid; or "
        "health_insurance: block 0, bytes 4 to 16: part of main_scheme\n"
        "  CLA 80: proprietary, logical channel 0\n"
        "  INS B0: READ BINARY\n"
        "  P1-P2 00 04\n"
        "  Lc 02: 2 bytes of data\n"
        "  data 00 0D: citizen_id: block 0, bytes 4 to 16: cid; or "
        "health_insurance: block 0, bytes 4 to 16: part of main_scheme\n"
    )


def test_explain_shows_a_tree_and_the_other_readings(capsys: Capture) -> None:
    assert main(["explain", "6F068404A0000000", "9000"]) == ExitCode.OK
    assert capsys.readouterr().out == (
        "response with 8 bytes of data, 9000: no error\n"
        "  data: 8 bytes\n"
        "    6F file control information (FCI): 6 bytes\n"
        "      84 DF name A0 00 00 00: GlobalPlatform issuer security domain\n"
        "  SW1-SW2 90 00: no error\n"
        "or, with --as tlv: 2 data objects: file control information (FCI)\n"
    ).replace("GlobalPlatform issuer security domain", "beginning of citizen_id, Citizen ID card")


def test_explain_knows_the_signing_card(capsys: Capture) -> None:
    assert main(["explain", "00CB3FFF055C035FC105", "00"]) == ExitCode.OK
    assert capsys.readouterr().out == (
        "GET DATA, piv: certificate of 9A (authentication), expects up to 256 bytes\n"
        "  CLA 00: interindustry, logical channel 0\n"
        "  INS CB: GET DATA\n"
        "  P1-P2 3F FF: tags in the command data\n"
        "  Lc 05: 5 bytes of data\n"
        "  data: piv: certificate of 9A (authentication)\n"
        "    5C tag list 5F C1 05: piv: certificate of 9A (authentication)\n"
        "  Le 00: expects up to 256 bytes\n"
    )


def test_explain_does_not_repeat_what_a_key_was_used_for(capsys: Capture) -> None:
    for style in ([], ["--json"]):
        assert main(["explain", *style, "7C0A82081122334455667788", "9000"]) == ExitCode.OK
        output = capsys.readouterr().out
        assert "8 bytes, not shown: key" in output
        assert "1122" not in output.replace(" ", "")


def test_explain_as_something_else(capsys: Capture) -> None:
    assert main(["explain", "--as", "tlv", "9000"]) == ExitCode.OK
    assert capsys.readouterr().out == "a data object\n  90 object of its context: 0 bytes\n"
    assert main(["explain", "--as", "atr", "9000"]) == ExitCode.PROBLEMS
    assert capsys.readouterr().out.startswith("no answer to reset: ")


def test_explain_for_programs(capsys: Capture) -> None:
    assert main(["explain", "--json", "9000"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {
        "schema_version": 1,
        "kind": "sw",
        "fits": True,
        "summary": "status word 9000: no error",
        "parts": [{"name": "SW1-SW2", "data": "9000", "meaning": "no error", "parts": []}],
        "alternatives": [
            {"kind": "response", "summary": "response without data, 9000: no error"},
            {"kind": "tlv", "summary": "a data object"},
        ],
    }


def test_explain_cuts_long_pieces_for_people_only(capsys: Capture) -> None:
    text = "00" * 40 + "9000"
    assert main(["explain", "--as", "response", text]) == ExitCode.OK
    assert f"  data {'00 ' * 32}…: 40 bytes\n" in capsys.readouterr().out
    assert main(["explain", "--as", "response", "--json", text]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["parts"][0]["data"] == "00" * 40


def test_explain_does_not_repeat_a_pin(capsys: Capture) -> None:
    for style in ([], ["--json"]):
        assert main(["explain", *style, "002000800831323334FFFFFFFF"]) == ExitCode.OK
        output = capsys.readouterr().out
        assert "8 bytes, not shown: PIN" in output
        assert "3132" not in output.replace(" ", "")
        assert "1234" not in output


@pytest.mark.parametrize("words", [["6A8"], ["hello"], ["--json", "zz"], [""]])
def test_what_is_not_hex_is_a_usage_error(words: list[str], capsys: Capture) -> None:
    assert main(["explain", *words]) == ExitCode.USAGE
    assert "ecitizen: " in capsys.readouterr().err
