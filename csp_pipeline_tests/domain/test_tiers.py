"""What a quantity costs under graduated, volume and package tiers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.domain.tiers import PriceTiers, Tier

D = Decimal
LAGO = (Tier(D(0), D(10), D(2)), Tier(D(10), D(5), D(3)), Tier(D(20), D(5), D(3)))
"""Lago, graduated_service_spec: 10 a unit and 2 up to 10, then 5 a unit and 3 for each further tier."""


@pytest.mark.parametrize(("quantity", "amount"), [(0, 2), (1, 12), (10, 102), (11, 110), (21, 163)])
def test_graduated_charges_each_tier_for_its_units(quantity: int, amount: int) -> None:
    assert PriceTiers("graduated", LAGO).amount(D(quantity)) == amount


@pytest.mark.parametrize(("quantity", "amount"), [(0, 10), (100, 210), (101, 101), (200, 200), (300, 200)])
def test_volume_charges_all_units_at_the_price_of_the_tier_reached(quantity: int, amount: int) -> None:
    """Lago, volume_service_spec; the lower bound is exclusive: 100 units are still in the first tier."""
    tiers = (Tier(D(0), D(2), D(10)), Tier(D(100), D(1), D(0)), Tier(D(200), D("0.5"), D(50)))
    assert PriceTiers("volume", tiers).amount(D(quantity)) == amount


@pytest.mark.parametrize(("quantity", "amount"), [(0, 0), (10, 0), (11, 100), (20, 100), (121, 1200)])
def test_a_package_counts_from_its_first_unit_and_what_lies_below_the_first_tier_is_free(
    quantity: int, amount: int
) -> None:
    """Lago, package_service_spec with 10 free units: 121 units are 12 packages of 10."""
    assert PriceTiers("package", (Tier(D(10), D(100), None, D(10)),)).amount(D(quantity)) == amount


def test_tiers_may_have_packages_of_their_own() -> None:
    """Kill Bill, testComputeBilledUsageWithUnlimitedMaxWith_ALL_TIERS: 10 blocks of 100, then 5 of 1000."""
    tiers = PriceTiers("graduated", (Tier(D(0), D(1), None, D(100)), Tier(D(1000), D(1), None, D(1000))))
    assert [part.amount for part in tiers.parts(D(5325))] == [10, 5]


def test_a_grown_quantity_is_charged_for_what_it_adds() -> None:
    """OpenMeter, tieredgraduated_test, "mid period, multiple tier usage": from 12 to 22 units."""
    rows = (Tier(D(0), D(0), D(100)), Tier(D(5), None, D(50)), Tier(D(10), D(5)), Tier(D(15), D(1)))
    tiers = PriceTiers("graduated", rows)
    assert [(part.number, part.quantity, part.amount) for part in tiers.parts_added(D(12), D(22))] == [
        (3, D(3), D(15)),
        (4, D(7), D(7)),
    ]


tables = st.builds(
    lambda bounds, prices, flats, size: tuple(
        Tier(D(bound), D(price) / 100, D(flat) / 100, D(size) if size else None)
        for bound, price, flat in zip(sorted(bounds), prices, flats, strict=False)
    ),
    st.sets(st.integers(0, 500), min_size=1, max_size=5),
    st.lists(st.integers(0, 5000), min_size=5, max_size=5),
    st.lists(st.integers(0, 5000), min_size=5, max_size=5),
    st.integers(0, 20),
)
quantities = st.integers(0, 600).map(D)


@given(tables, quantities, quantities)
def test_differences_are_those_of_whole_amounts(table: tuple[Tier, ...], before: Decimal, after: Decimal) -> None:
    for mode in ("graduated", "volume"):
        tiers = PriceTiers(mode, table)  # type: ignore[arg-type]
        assert tiers.difference(before, after) == tiers.amount(after) - tiers.amount(before)
        assert tiers.difference(before, after) == -tiers.difference(after, before)


@given(tables, quantities)
def test_the_order_in_which_a_quantity_grows_does_not_matter(table: tuple[Tier, ...], quantity: Decimal) -> None:
    tiers, total, reached = PriceTiers("graduated", table), PriceTiers("graduated", table).amount(D(0)), D(0)
    while reached < quantity:
        step = min(reached + 7, quantity)
        total += tiers.difference(reached, step)
        reached = step
    assert total == tiers.amount(quantity)


@given(st.integers(0, 10_000).map(lambda cents: D(cents) / 100), quantities)
def test_one_tier_from_zero_is_a_price_per_unit(price: Decimal, quantity: Decimal) -> None:
    for mode in ("graduated", "volume"):
        assert PriceTiers(mode, (Tier(D(0), price),)).amount(quantity) == price * quantity  # type: ignore[arg-type]


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="At least one tier"):
        PriceTiers("graduated", ())
    with pytest.raises(ValueError, match="rising from_quantity"):
        PriceTiers("volume", (Tier(D(5)), Tier(D(5))))
    for size in (None, D(0)):
        with pytest.raises(ValueError, match="package_size above 0"):
            PriceTiers("package", (Tier(D(0), D(1), None, size),))
    with pytest.raises(ValueError, match="whole quantity"):
        PriceTiers("volume", (Tier(D(0), D(1)),)).parts_added(D(1), D(2))
