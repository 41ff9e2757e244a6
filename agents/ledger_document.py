"""The ledger as a JSON document: totals, families, what an utterance costs, what is still new.

Names end in their units: `_us` microseconds, `dollars` US dollars rounded to a millionth, `_share`
and `coverage` shares of one rounded to six digits; what is expected is in dollars of twelve digits.
Counts are exact. An avoided call's latency is that of the mean completion, less a decision's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from agents.accounts import Account, Purse
from agents.ledger import Ledger
from agents.teachers.estimate import estimated_price
from artifacts.economics import Calls, expected_cost, known_share

DECIDE_US: Final = 100.0
"""What a decision is taken to last where it was not measured."""

DOLLARS_PER_CORE_HOUR: Final = 0.05
# Of the order of what a rented core cost in 2025.

_US_PER_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class DecideTime:
    """How long the matcher takes for an utterance on average, and where that is from."""

    mean_us: float = DECIDE_US
    source: Literal["measured", "setting"] = "setting"


def ledger_document(found: Ledger, decide: DecideTime, *, by_family: bool) -> dict[str, Any]:
    """Return the ledger; `families` only where they are wished, in order of calls avoided."""
    document = {
        "since": _shown_time(found.since),
        "until": _shown_time(found.until),
        "records": found.records,
        "undecodable": found.undecodable,
        "utterances": found.utterances,
        "answered": found.answered,
        "coverage": _share(found.answered, found.utterances),
        **_totals(found),
        "break_even": _break_even(found),
        "latency": _latency(found, decide),
        "expected_cost": _expected(found, decide),
        "coverage_by_families": [
            {
                "families": window.families,
                "utterances": window.utterances,
                "coverage": round(window.coverage, 6),
            }
            for window in found.points()
        ],
        "still_to_be_had": _still_to_be_had(found),
        "estimates": _estimates(found),
    }
    if by_family:
        ordered = sorted(found.accounts.items(), key=lambda kv: (-kv[1].calls.avoided, kv[0]))
        document["families"] = [
            {"scope": scope, "family": family} | _family(account, found, decide)
            for (scope, family), account in ordered
        ]
        if found.others.calls.answered or found.others.calls.spent:
            together = _family(found.others, found, decide)
            without = {name: None for name in together if name.startswith("broke_even")}
            document["families_beyond_limit"] = together | without
    return document


def total_calls(found: Ledger) -> Calls:
    """Return the calls of all families, with the calls for recipes that led to none."""
    every = [account.calls for account in _accounts(found)]
    recipe_calls = sum(calls.recipe_calls for calls in every)
    return Calls(
        answered=sum(calls.answered for calls in every),
        taught=sum(calls.taught for calls in every),
        audits=sum(calls.audits for calls in every),
        recalls=sum(calls.recalls for calls in every),
        recipe_calls=recipe_calls,
        retries=found.recipes.calls - recipe_calls,
        probes=found.probes.calls,
    )


def _accounts(found: Ledger) -> Iterable[Account]:
    return (*found.accounts.values(), found.others)


def _totals(found: Ledger) -> dict[str, Any]:
    calls = total_calls(found)
    purses = {
        "completions": found.completions,
        "audits": found.audits,
        "recalls": found.recalls,
        "recipes": found.recipes,
        "probes": found.probes,
    }
    made = sum(purse.calls for purse in purses.values())
    avoided = sum(account.tokens_avoided for account in _accounts(found))
    net = calls.avoided - calls.recipe_calls - calls.retries - calls.probes
    return {
        "calls": {
            "avoided": calls.avoided,
            "made": made,
            "completions": found.completions.calls,
            "taught": calls.taught,
            "audits": calls.audits,
            "recalls": calls.recalls,
            "recipe_calls": calls.recipe_calls,
            "retries": calls.retries,
            "probes": calls.probes,
            "saved": net,
        },
        "saving": _share(net, found.utterances),
        "searches": found.searches,
        "spent": {name: _purse(purse) for name, purse in purses.items()},
        "avoided": {"tokens_estimated": avoided, "dollars_estimated": _dollars(avoided)},
    }


def _family(account: Account, found: Ledger, decide: DecideTime) -> dict[str, Any]:
    calls = account.calls
    return {
        "answered": calls.answered,
        "avoided": calls.avoided,
        "taught": calls.taught,
        "audits": calls.audits,
        "recalls": calls.recalls,
        "recipe_calls": calls.recipe_calls,
        "retries": calls.retries,
        "probes": calls.probes,
        "spent": calls.spent,
        "searches": account.searches,
        "broke_even_after_calls": account.broke_even,
        "broke_even_after_calls_with_all_lessons": account.broke_even_taught,
        "tokens_avoided_estimated": account.tokens_avoided,
        "dollars_avoided_estimated": _dollars(account.tokens_avoided),
        "latency_avoided_us": _latency_avoided(calls.avoided, found, decide),
        "upkeep": _purse(account.upkeep),
    }


def _purse(purse: Purse) -> dict[str, Any]:
    return {
        "calls": purse.calls,
        "refused": purse.refused,
        "free": purse.free,
        "tokens_reported": purse.tokens_reported,
        "tokens_estimated": purse.tokens_estimated,
        "dollars_reported": round(purse.dollars_reported, 6),
        "dollars_estimated": round(purse.dollars_estimated, 6),
    }


def _break_even(found: Ledger) -> dict[str, Any]:
    """Return how many families have paid for themselves, and the median calls until they had."""
    once = sorted(a.broke_even for a in found.accounts.values() if a.broke_even is not None)
    whole = [a for a in found.accounts.values() if a.broke_even_taught is not None]
    return {
        "families": len(found.accounts),
        "used": sum(bool(a.calls.answered or a.upkeep.calls) for a in found.accounts.values()),
        "broke_even": len(once),
        "median_calls": once[(len(once) - 1) // 2] if once else None,
        "broke_even_with_all_lessons": len(whole),
    }


def _latency(found: Ledger, decide: DecideTime) -> dict[str, Any]:
    said = found.completions
    return {
        "teacher_mean_us": _mean(said.latency_us, said.answered),
        "teacher_latencies_estimated": said.latencies_estimated,
        "deterministic_mean_us": round(decide.mean_us, 2),
        "deterministic_source": decide.source,
        "avoided_us": _latency_avoided(total_calls(found).avoided, found, decide),
    }


def _latency_avoided(calls: int, found: Ledger, decide: DecideTime) -> int | None:
    """Return how much longer the calls would have taken, each like the mean completion."""
    said = found.completions
    return (
        round(calls * (said.latency_us / said.answered - decide.mean_us)) if said.answered else None
    )


def _expected(found: Ledger, decide: DecideTime) -> dict[str, Any]:
    """Return E[C] = cov·c_det + (1 − cov)·c_M per utterance, once as time and once as money."""
    said, coverage = found.completions, _share(found.answered, found.utterances)
    compute = decide.mean_us / _US_PER_HOUR * DOLLARS_PER_CORE_HOUR
    costs = {
        "us": (decide.mean_us, said.latency_us / said.answered if said.answered else None, 2),
        "dollars": (compute, said.dollars / said.answered if said.answered else None, 12),
    }
    return {
        unit: {
            "deterministic": round(deterministic, digits),
            "teacher": None if teacher is None else round(teacher, digits),
            "expected": None
            if teacher is None or coverage is None
            else round(expected_cost(coverage, deterministic, teacher), digits),
        }
        for unit, (deterministic, teacher, digits) in costs.items()
    }


def _still_to_be_had(found: Ledger) -> dict[str, Any]:
    counts, coverage = found.skeletons, _share(found.answered, found.utterances)
    known = known_share(counts)
    if known is None or coverage is None:
        return {
            "fallbacks": 0, "skeletons": 0, "singletons": 0, "skeletons_sampled_share": 1.0,
            "seen_before_share": None, "known_share": None, "coverage": None,
            "meaning": "nothing fell back, so that nothing is estimated",
        }  # fmt: skip
    fallbacks, skeletons, singletons = counts.utterances, len(counts.seen), counts.singletons
    could = (1 - coverage) * known
    return {
        "fallbacks": fallbacks,
        "skeletons": skeletons,
        "singletons": singletons,
        "skeletons_sampled_share": 2.0**-counts.bits,
        "seen_before_share": _share(fallbacks - skeletons, fallbacks),
        "known_share": round(known, 6),
        "coverage": round(could, 6),
        "meaning": (
            f"if utterances keep coming as they came, {100 * known:.1f} % of those that fall back "
            f"({100 * could:.1f} % of all) will have a text skeleton that has fallen back before: "
            f"1 − singletons/N (Good, 1953), {singletons} singletons among N = {fallbacks} "
            "fallbacks. It says how much repeats, not how much can be learned: skeletons that "
            "families have learned since are among them, not all that repeats is the same task, "
            "and a family may read skeletons that nobody has used yet"
        ),
    }


def _estimates(found: Ledger) -> str:
    """Say which figures are the teachers' own, and which are estimated."""
    purses = (found.completions, found.audits, found.recalls, found.recipes, found.probes)
    reported = sum(purse.tokens_reported for purse in purses)
    guessed = sum(purse.tokens_estimated for purse in purses)
    return (
        f"{reported} of the tokens spent are as the teachers report them (a recorded and the demo "
        f"teacher report estimates), {guessed} are estimated from the lengths of the texts; calls "
        "that were avoided, and calls for recipes, are always estimated"
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _mean(total: int, count: int) -> float | None:
    return round(total / count, 2) if count else None


def _dollars(tokens: int) -> float:
    return round(estimated_price(tokens), 6)


def _shown_time(time_us: int | None) -> str | None:
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")
