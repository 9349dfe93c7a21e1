from itertools import count

import pytest

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from pki.sizing import PART_MAX, Demand, Measured, measure, size, sizing

MEASURED = Measured(
    signatures_per_second=10_000,
    certificates_per_second=1_000,
    ocsp_answers_per_second=20_000,
    entries_per_second=1_000_000,
    revocations_per_second=500,
    bytes_per_entry=50,
    bytes_per_list=400,
    stored_per_certificate=1_000,
)


def test_a_nation_s_cards() -> None:
    found = size(Demand(66_000_000), MEASURED)
    assert found.list_entries == 13_200_000
    assert found.list_bytes == 660_000_400
    assert found.shards == 8192
    assert found.part_bytes == round(400 + 13_200_000 / 8192 * 50)
    assert found.build_seconds == pytest.approx(13.2 + 1.6384)
    assert found.ocsp_per_second == pytest.approx(66_000_000 / 86_400 * 10)
    assert found.ocsp_cores == pytest.approx(found.ocsp_per_second / 20_000)
    assert found.register_bytes == 66_000_000 * 7 * (1_000 + 5)
    assert found.issue_hours == pytest.approx(66_000_000 * 7 / 1_000 / 3600)


@pytest.mark.parametrize("cards", [1, 1_000, 100_000, 10_000_000])
def test_there_are_as_many_parts_as_are_needed_and_no_more(cards: int) -> None:
    found = size(Demand(cards), MEASURED)
    assert found.part_bytes <= PART_MAX
    assert found.shards == 1 or 2 * found.part_bytes - 400 > PART_MAX


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048])
def test_this_machine_is_measured(algorithm: KeyAlgorithm) -> None:
    found = measure(algorithm)
    assert found.signatures_per_second > found.certificates_per_second > 1
    assert found.ocsp_answers_per_second > 1
    assert found.revocations_per_second > 1
    assert found.bytes_per_entry == pytest.approx(50, abs=0.01)  # 17 of the serial number, and its reason
    assert 200 < found.bytes_per_list < 700
    assert 500 < found.stored_per_certificate < 3_000


def test_a_clock_that_stands_still_does_no_harm() -> None:
    assert measure(KeyAlgorithm.P_256, clock=lambda: 0.0).entries_per_second > 0
    ticks = count()
    assert sizing(Demand(1), clock=lambda: float(next(ticks))).measured.revocations_per_second == 64


@pytest.mark.parametrize(
    "demand",
    [
        Demand(0),
        Demand(10**11),
        Demand(1, revoked_share=1.1),
        Demand(1, revoked_share=-0.1),
        Demand(1, certificates_per_card=1, certificates_of_one_authority=2),
        Demand(1, certificates_of_one_authority=0),
        Demand(1, checks_per_card_and_day=-1),
        Demand(1, peak=0.5),
    ],
)
def test_no_demand_is_told(demand: Demand) -> None:
    with pytest.raises(UsageError):
        sizing(demand)
