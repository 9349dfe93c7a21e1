"""The card is pulled out at every exchange of a read through the real PC/SC stack; `make soak` does all personas."""

import pytest

from ecitizen.emulator.pcscd import PrivatePcscd
from tests.soak.removal import pull_out_everywhere, slots_of


def test_card_pulled_out_at_every_exchange(pcscd: PrivatePcscd, capsys: pytest.CaptureFixture[str]) -> None:
    cuts = pull_out_everywhere(slots_of(pcscd), [("wanida", "t0"), ("wanida", "t1")])
    with capsys.disabled():
        print(f"[{cuts} cuts survived] ", end="")
    assert cuts >= 60
