"""PIN and PUK on the card side, by hand-written commands (SP 800-73-5 part 2, 3.2.1 to 3.2.3)."""

import pytest

from ecitizen.emulator.image import CardImage, Disk
from ecitizen.errors import ImageError
from tests.piv_card import PIN_STATE, SELECT, SELECT_NEIGHBOUR, VERIFY, WRONG_PIN, Hand, memory

PIN_12 = "313233343536FFFF"
PIN_65 = "363534333231FFFF"
PIN_00 = "303030303030FFFF"
PUK = "3132333435363738"
PUK_OTHER = "4142434445464748"
EMPTY = "FF" * 8


def test_verify() -> None:
    Hand().talk(
        f"""
        {PIN_STATE} > 63C3
        {VERIFY} > 9000
        {PIN_STATE} > 9000
        0020FF80 > 9000                  # forget it
        {PIN_STATE} > 63C3
        """
    )


def test_wrong_pins_block_the_pin() -> None:
    hand = Hand()
    hand.talk(
        f"""
        {WRONG_PIN} > 63C2
        {PIN_STATE} > 63C2
        {WRONG_PIN} > 63C1
        {WRONG_PIN} > 63C0
        {WRONG_PIN} > 6983
        {PIN_STATE} > 6983
        {VERIFY} > 6983                  # the right one comes too late
        """
    )
    assert hand.contents() == {**memory(), "pin_tries": 0}


def test_a_right_pin_gives_the_tries_back_and_a_wrong_one_ends_the_verification() -> None:
    Hand().talk(f"{WRONG_PIN} > 63C2 \n {VERIFY} > 9000 \n {WRONG_PIN} > 63C2 \n {PIN_STATE} > 63C2")


@pytest.mark.parametrize(
    "data",
    [
        "3132333435FFFFFF",  # five digits
        "3132333435364142",  # letters
        "313233343536FF37",  # FF inside
        "3132333435360000",  # padded with zeros
        "FFFFFFFFFFFFFF31",
    ],
)
def test_reference_data_of_the_wrong_form_cost_no_try(data: str) -> None:
    Hand().talk(f"{VERIFY} > 9000 \n 0020008008{data} > 6A80 \n {PIN_STATE} > 9000")


def test_the_wrong_form_leaves_all_as_it_was() -> None:
    hand = Hand()
    hand.talk(f"{WRONG_PIN} > 63C2 \n 00200080083132333435FFFFFF > 6A80 \n {PIN_STATE} > 63C2")
    hand.talk(f"{VERIFY} > 9000 \n 00200080083132333435FFFFFF > 6A80 \n {PIN_STATE} > 9000")


@pytest.mark.parametrize("pin", ["303030303030FFFF", "30303030303030FF", "3030303030303030"])
def test_a_pin_has_six_to_eight_digits(pin: str) -> None:
    Hand().talk(f"0020008008{pin} > 63C2")


def test_an_empty_pin_is_a_wrong_pin() -> None:
    """Software that blocks a PIN on purpose sends it, yubikit for one."""
    Hand().talk(f"0020008008{EMPTY} > 63C2 \n 002C008010{EMPTY}{EMPTY} > 63C2 \n 0024008010{EMPTY}{PIN_12} > 63C1")
    Hand({"pin": b"\xff" * 8}).talk(f"0020008008{EMPTY} > 63C2 \n 0024008010{EMPTY}{PIN_12} > 63C1")


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("0020008007313233343536FF", "6A80"),
        ("0020008009313233343536FFFFFF", "6A80"),
        ("0020018008313233343536FFFF", "6A86"),
        ("0020FE80", "6A86"),
        ("0020FF8008313233343536FFFF", "6A80"),
        ("0020000008313233343536FFFF", "6A88"),  # the global PIN
        ("00200000", "6A88"),
        ("0020008108" + PUK, "6A88"),  # the PUK is not verified
        ("0020009608" + PUK, "6A88"),  # fingerprints
        ("0020FF81", "6A88"),
        ("0024008008" + PIN_12, "6A80"),
        ("002400800F" + PIN_12 + PIN_65[:14], "6A80"),
        ("00240080", "6A80"),
        ("0024018010" + PIN_12 + PIN_65, "6A86"),
        ("0024000010" + PIN_12 + PIN_65, "6A88"),
        ("0024009B10" + PIN_12 + PIN_65, "6A88"),
        ("002C008008" + PUK, "6982"),  # a new PIN alone: for the card's domain, through its channel
        ("002C008011" + PUK + PIN_65 + "FF", "6A80"),
        ("002C018010" + PUK + PIN_65, "6A86"),
        ("002C008110" + PUK + PUK, "6A88"),
        ("002C000010" + PUK + PIN_65, "6A88"),
    ],
)
def test_commands_that_are_wrong_in_themselves_change_nothing(command: str, sw: str) -> None:
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000 \n {command} > {sw} \n {PIN_STATE} > 9000")
    assert hand.contents() == memory()


def test_change_the_pin() -> None:
    hand = Hand()
    hand.talk(
        f"""
        0024008010 {PIN_12} {PIN_65} > 9000
        {PIN_STATE} > 9000
        0020FF80 > 9000
        {VERIFY} > 63C2
        0020008008 {PIN_65} > 9000
        """
    )
    assert hand.contents() == {**memory(), "pin": bytes.fromhex(PIN_65)}


def test_changing_with_a_wrong_pin_costs_a_try_and_ends_the_verification() -> None:
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000 \n 0024008010{PIN_00}{PIN_65} > 63C2 \n {PIN_STATE} > 63C2 \n {VERIFY} > 9000")
    assert hand.contents() == memory()


@pytest.mark.parametrize("new", ["3132333435FFFFFF", EMPTY, "3132333435363741", "3132333435360000"])
def test_a_new_pin_of_the_wrong_form_costs_no_try(new: str) -> None:
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000 \n 0024008010{PIN_12}{new} > 6A80 \n 0024008010{PIN_00}{new} > 6A80")
    hand.talk(f"002C008010{PUK}{new} > 6A80 \n 002C008010{PUK_OTHER}{new} > 6A80 \n {PIN_STATE} > 9000")
    assert hand.contents() == memory()


def test_change_the_puk() -> None:
    hand = Hand()
    hand.talk(f"0024008110{PUK}{PUK_OTHER} > 9000 \n 0024008110{PUK}{PUK_OTHER} > 63C2 \n {PIN_STATE} > 63C3")
    assert hand.contents() == {**memory(), "puk": bytes.fromhex(PUK_OTHER), "puk_tries": 2}
    hand.talk(f"0024008110{PUK_OTHER}0001020304050607 > 9000 \n 0024008110 0001020304050607 {PUK} > 9000")
    hand.talk(f"0024008110{PUK}000102030405FFFF > 9000 \n 0024008110 000102030405FFFF {PUK} > 9000")  # six bytes
    hand.talk(f"0024008110{PUK}0001020304FFFFFF > 6A80 \n 0024008110{PUK}0001FF0304050607 > 6A80")
    assert hand.contents() == memory()


def test_a_wrong_puk_ends_the_verification_of_a_pin_that_it_was_to_replace() -> None:
    """SP 800-73-5 part 2, 3.2.3: with 63CX the security status of the PIN becomes FALSE; its tries stay."""
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000 \n 0024008110{PUK_OTHER}{PUK} > 63C2 \n {PIN_STATE} > 9000")
    hand.talk(f"002C008010{PUK_OTHER}{PIN_65} > 63C1 \n {PIN_STATE} > 63C3")
    hand.talk(f"{WRONG_PIN} > 63C2 \n 002C008010{PUK_OTHER}{PIN_65} > 63C0 \n {PIN_STATE} > 63C2")


def test_a_malformed_or_blocked_puk_leaves_the_verification_as_it_was() -> None:
    Hand().talk(f"{VERIFY} > 9000 \n 002C008010 3132333435FFFFFF {PIN_65} > 6A80 \n {PIN_STATE} > 9000")
    Hand({"puk_tries": 0}).talk(f"{VERIFY} > 9000 \n 002C008010{PUK}{PIN_65} > 6983 \n {PIN_STATE} > 9000")


def test_unblock_with_the_puk() -> None:
    hand = Hand()
    hand.talk(f"{WRONG_PIN} > 63C2 \n {WRONG_PIN} > 63C1 \n {WRONG_PIN} > 63C0 \n 002C008010{PUK_OTHER}{PIN_65} > 63C2")
    hand.talk(f"002C008010{PUK}{PIN_65} > 9000 \n {PIN_STATE} > 63C3 \n 0020008008{PIN_65} > 9000")
    assert hand.contents() == {**memory(), "pin": bytes.fromhex(PIN_65)}


def test_a_blocked_puk_unblocks_nothing() -> None:
    hand = Hand({"puk_tries": 1, "pin_tries": 0})
    hand.talk(f"002C008010{PUK_OTHER}{PIN_65} > 63C0 \n 002C008010{PUK}{PIN_65} > 6983 \n {PIN_STATE} > 6983")
    hand.talk(f"0024008110{PUK}{PUK} > 6983 \n 002C008010{PUK}{EMPTY} > 6983")


def test_setting_the_pin_with_the_puk_leaves_its_verification_as_it_was() -> None:
    Hand().talk(f"{VERIFY} > 9000 \n 002C008010{PUK}{PIN_65} > 9000 \n {PIN_STATE} > 9000")
    Hand().talk(f"002C008010{PUK}{PIN_65} > 9000 \n {PIN_STATE} > 63C3")


def test_as_many_tries_as_the_card_was_made_with() -> None:
    hand = Hand({"pin_tries": 15, "pin_tries_max": 15})
    hand.talk(f"{PIN_STATE} > 63CF \n {WRONG_PIN} > 63CE \n {VERIFY} > 9000 \n {WRONG_PIN} > 63CE")


# --- where the verification ends ---


def test_selecting_piv_again_keeps_the_verification_and_another_application_ends_it() -> None:
    Hand().talk(
        f"""
        {VERIFY} > 9000
        {SELECT} > 9000
        00A404000BA000000308000010000100 > 9000
        {PIN_STATE} > 9000
        00A4040006F00000000099 > 6A82    # no such application: nothing changes
        {PIN_STATE} > 9000
        {SELECT_NEIGHBOUR} > 9000
        {SELECT} > 9000
        {PIN_STATE} > 63C3
        """
    )


def test_reset_and_power_end_it() -> None:
    hand = Hand()
    for again in (hand.card.reset, hand.card.power_on):
        hand.talk(f"{SELECT} > 9000 \n {VERIFY} > 9000")
        again()
        hand.talk(f"{SELECT} > 9000 \n {PIN_STATE} > 63C3")


def test_each_channel_has_its_own() -> None:
    Hand().talk(f"{VERIFY} > 9000 \n 00700001 > 9000 \n 01200080 > 63C3 \n {PIN_STATE} > 9000")


# --- memory ---


class FullDisk(Disk):
    """A disk that takes nothing more once it is full."""

    full = False

    def write(self, fd: int, data: bytes) -> None:
        if self.full:
            raise OSError(28, "no space left")
        super().write(fd, data)


@pytest.mark.parametrize(
    "command", [VERIFY, WRONG_PIN, f"0024008010{PIN_12}{PIN_65}", f"002C008010{PUK}{PIN_65}", f"0024008110{PUK}{PUK}"]
)
def test_without_a_place_for_the_try_nothing_is_compared(command: str, tmp_path: object) -> None:
    disk = FullDisk()
    with CardImage.create(f"{tmp_path}/card.json", {"piv": memory()}, disk=disk) as image:
        hand = Hand(image=image)
        disk.full = True
        hand.talk(f"{command} > 6581 \n {PIN_STATE} > 63C3")
        assert hand.contents() == memory()
        disk.full = False


def test_a_full_disk_is_an_image_error(tmp_path: object) -> None:
    """What the card makes 6581 of; if this changes, the test above shows nothing."""
    disk = FullDisk()
    with CardImage.create(f"{tmp_path}/card.json", {"piv": memory()}, disk=disk) as image:
        disk.full = True
        with pytest.raises(ImageError):
            image.read("piv").write({"pin_tries": 2})
        disk.full = False
