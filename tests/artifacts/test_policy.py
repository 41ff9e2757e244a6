"""The policy table: what thresholds may be, and what a tenant may have of its own."""

import math
from dataclasses import fields
from typing import Any

import pytest

from artifacts.policy import (
    DEFAULT,
    ONE_POLICY,
    THRESHOLDS,
    Policies,
    Policy,
    overridden,
    policies_with,
    policy_for,
)


def test_every_threshold_has_a_unit_a_reason_and_a_range_that_holds_its_default() -> None:
    assert set(THRESHOLDS) == {each.name for each in fields(Policy)}
    for name, threshold in THRESHOLDS.items():
        assert threshold.unit
        assert threshold.reason.endswith(".")
        assert threshold.least <= getattr(DEFAULT, name) <= threshold.most


def outside(name: str) -> list[Any]:
    """Return values that a threshold may not have."""
    threshold = THRESHOLDS[name]
    if isinstance(threshold.least, bool):
        return [0, 1, 0.5, "yes", None]
    wrong: list[Any] = [
        threshold.least - 1,
        threshold.most + 1,
        math.nan,
        math.inf,
        "1",
        None,
        True,
    ]
    return [*wrong, 2.5] if isinstance(threshold.least, int) else wrong


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in THRESHOLDS for value in outside(name)]
)
def test_a_threshold_out_of_its_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} "):
        overridden(DEFAULT, {name: value})


def test_what_is_no_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="'min_pair' is no threshold; there are max_risk, "):
        policies_with(min_pair=3)


def test_a_smaller_risk_asks_for_more_and_never_for_less_than_the_floor() -> None:
    assert policy_for(0.01) == DEFAULT
    strict, loose = policy_for(0.005), policy_for(0.5)
    assert (strict.min_agreements, strict.required_bits) == (10, 30.0)
    assert (loose.min_agreements, loose.required_bits) == (3, 14.0)


def test_what_a_tenant_does_not_set_is_as_for_all() -> None:
    base = policies_with(max_risk=0.005, patience=7).default
    policies = Policies(base, {"acme": overridden(base, {"required_bits": 99})})
    assert policies.of("acme").required_bits == 99
    assert policies.of("acme").min_agreements == policies.of("other").min_agreements == 10
    assert policies.of("shared") == base
    assert ONE_POLICY.of("acme") == DEFAULT


def test_a_tenant_s_own_max_risk_brings_what_follows_from_it() -> None:
    base = policies_with(max_risk=0.005).default
    assert overridden(base, {"max_risk": 0.002}).min_agreements == 25
    assert overridden(base, {"max_risk": 0.002, "min_agreements": 6}).min_agreements == 6
