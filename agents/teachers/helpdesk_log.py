"""The help desk's log: requests in the order of their arrival, with the teacher's answers.

    python -m agents.teachers.helpdesk_log > infra/demo/helpdesk.jsonl

What makes it a log to learn from: rules turn up over time (the last at 60 % of the stream) and
recur by a Zipf-like law; about one row in seven is prose that no rule covers, mostly without a
reproducible answer; some texts have a typo in a fixed word; and 2 % of the answers to the rules'
requests are the teacher's mistakes. Mistakes are drawn per row, not per text: an LLM asked twice
does not err twice alike, and an error repeated with every repeat of its text could not be told
from the right answer.

The same seed gives the same bytes on every machine. One text has one right answer throughout.
"""

import json
import re
import string
import sys
from collections.abc import Iterator
from random import Random

from pydantic import JsonValue

from agents.teachers.helpdesk import (
    RULES,
    Reading,
    Rule,
    is_drawn,
    pick,
    pick_weighted,
    recognise,
    slip,
)

PROSE_SHARE = 0.15
FREE_ANSWER_SHARE = 0.2
CAPITAL_SHARE = 0.15
TYPO_SHARE = 0.03
MISTAKE_SHARE = 0.02
KNOWN_AT_START = 16
LAST_ARRIVAL = 0.6
ZIPF_SCALE, ZIPF_OFFSET = 10_000, 6
FIRST_ASKED_AT = 1_767_600_000_000_000  # 2026-01-05 08:00 UTC, in microseconds
TYPEABLE = re.compile(r"(?<![{a-z])[a-z]{5,}(?![a-z}])")

Row = dict[str, JsonValue]


def rows(seed: int | str = 7, count: int = 4000) -> Iterator[Row]:
    """Yield `count` rows: `id`, `text`, `answer`, `asked_at`, and `truth` where the answer errs.

    >>> [list(row) for row in rows(count=1)]
    [['id', 'text', 'answer', 'asked_at']]
    """
    rng = Random(f"{seed}|log")
    arrivals = _arrivals(rng)
    truths: dict[str, JsonValue] = {}
    asked_at = FIRST_ASKED_AT
    for index in range(count):
        asked_at += int((20 + rng.random() * 400) * 1_000_000)
        if rng.random() < PROSE_SHARE:
            text = _prose(rng, truths)
            answer = truth = _prose_answer(rng)
        else:
            reading, text = _request(rng, _arrived(arrivals, index / count), truths)
            truth = reading.answer()
            is_mistaken = is_drawn(f"{seed}|mistake|{index}", MISTAKE_SHARE)
            answer = slip(reading, f"{seed}|{index}") if is_mistaken else truth
        truths[text] = truth
        row: Row = {"id": f"help-{index:05d}", "text": text, "answer": answer}
        if answer != truth:
            row["truth"] = truth
        yield {**row, "asked_at": asked_at}


# --- requests that a rule covers ------------------------------------------------------------------


def _arrivals(rng: Random) -> list[tuple[float, int, Rule]]:
    """Return (arrival as a share of the stream, Zipf weight, rule); both orders are drawn."""
    by_arrival, by_weight = _shuffled(rng, RULES), _shuffled(rng, RULES)
    late = len(RULES) - KNOWN_AT_START
    return [
        (
            max(0, place + 1 - KNOWN_AT_START) / late * LAST_ARRIVAL,
            ZIPF_SCALE // (ZIPF_OFFSET + by_weight.index(rule)),
            rule,
        )
        for place, rule in enumerate(by_arrival)
    ]


def _arrived(arrivals: list[tuple[float, int, Rule]], now: float) -> tuple[list[Rule], list[int]]:
    """Return the rules that have arrived by `now`, and their weights."""
    present = [(rule, weight) for arrival, weight, rule in arrivals if arrival <= now]
    return [rule for rule, _ in present], [weight for _, weight in present]


def _shuffled(rng: Random, rules: tuple[Rule, ...]) -> list[Rule]:
    return sorted(rules, key=lambda _: rng.random())


def _request(
    rng: Random, present: tuple[list[Rule], list[int]], truths: dict[str, JsonValue]
) -> tuple[Reading, str]:
    """Return a reading and its text. A typo is kept only if no text gets a second right answer."""
    rule = pick_weighted(rng, *present)
    weights = [ZIPF_SCALE // (1 + rank) for rank in range(len(rule.phrasings))]
    phrasing = pick_weighted(rng, rule.phrasings, weights)
    slots = {name: kind.sample(rng) for name, kind in rule.slots.items()}
    reading = Reading(rule, slots)
    if rng.random() < CAPITAL_SHARE and not phrasing.startswith("{"):
        phrasing = phrasing[0].upper() + phrasing[1:]
    text = _filled(phrasing, slots)
    if rng.random() < TYPO_SHARE:
        misspelt = _filled(_misspelt(rng, phrasing), slots)
        answer = reading.answer()
        if recognise(misspelt) is None and truths.get(misspelt, answer) == answer:
            text = misspelt
    return reading, text


def _misspelt(rng: Random, phrasing: str) -> str:
    """Swap two letters of one fixed word of the phrasing, or drop one."""
    words = list(TYPEABLE.finditer(phrasing))
    if not words:
        return phrasing
    word = pick(rng, words)
    at = word.start() + 1 + int(rng.random() * (len(word.group()) - 2))
    pair = phrasing[at : at + 2]
    slipped = pair[::-1] if rng.random() < 0.5 else pair[1]
    return phrasing[:at] + slipped + phrasing[at + 2 :]


def _filled(phrasing: str, slots: dict[str, str]) -> str:
    return phrasing.format_map(slots)


# --- prose that no rule covers --------------------------------------------------------------------

FORMS = (
    "{opener} {trouble} {when}, and {feeling}. {ask}",
    "{trouble} {when}. {ask}",
    "{ask} It is about the {topic}; {feeling}.",
    "{opener} could you write a short note to {group} about the {topic}? It should be {tone}.",
    "{opener} {group} would like ideas for the {topic}, {tone} if possible, before {deadline}.",
    "Summarise what {group} said {when} about the {topic}, and keep it {tone}.",
    "{feeling}: {trouble} {when}. What would you tell {group}?",
    "Draft a {tone} reply to {group}, who say that {trouble}.",
    "What do you make of the {topic} that {group} brought up {when}? I ask because {feeling}.",
    "{opener} help me phrase a {tone} apology to {group} for the {topic} before {deadline}.",
    "{trouble}, then {other_trouble}. {ask}",
    "{opener} is there a {tone} way to explain the {topic} to {group}? {trouble} {when}.",
)
PROSE_PARTS = {
    "opener": (
        "Hello,", "Hi there,", "Good morning,", "Sorry to bother you, but", "Quick one:",
        "Me again,", "Hey,", "A question from the third floor:", "Before I forget,", "Honestly,",
    ),
    "trouble": (
        "the build keeps stalling", "my screen flickers whenever it rains",
        "nobody can find the meeting notes", "the new chairs squeak during calls",
        "half of the team lost their bookmarks", "the coffee machine shows an error",
        "our dashboards disagree with each other", "the onboarding took far too long",
        "two reports contradict each other", "the video calls sound like a tunnel",
        "the badge reader lets everybody in", "search returns last year's pages",
        "the backup ran in the middle of the demo", "my keyboard types by itself",
    ),
    "when": (
        "again", "since Monday", "all week", "after the last update", "during the review",
        "right before lunch", "for the third time", "since we moved desks", "out of nowhere",
        "every afternoon", "as of this morning", "over the weekend",
    ),
    "feeling": (
        "people are getting impatient", "I am running out of ideas", "nobody seems to own it",
        "I would rather not escalate", "we are a little embarrassed", "it is almost funny by now",
        "the mood is low", "the customer has noticed", "I cannot explain it to anybody",
        "we have tried everything obvious",
    ),
    "ask": (
        "What would you suggest?", "Any thoughts on where to begin?", "Who might know more?",
        "Can you make sense of this?", "How would you calm everybody down?",
        "Could you list a few things to try?", "Is this worth a meeting?",
        "Please tell me it is not just me.", "What am I overlooking?",
        "Can you think of a better way?",
    ),
    "topic": (
        "summer party", "move to the new office", "password rules", "quarterly review",
        "late deliveries", "broken air conditioning", "new ticket form", "team newsletter",
        "weekend deployment", "shared calendar", "parking spaces", "mentoring scheme",
        "old laptops", "feedback survey", "quiet room",
    ),
    "group": (
        "the team", "our managers", "the night shift", "finance", "the new hires", "legal",
        "the customer's engineers", "everybody on the second floor", "the vendor", "marketing",
        "the volunteers",
    ),
    "tone": (
        "friendly", "short and dry", "rather formal", "funny", "frank", "reassuring", "bold",
        "diplomatic", "plain", "cheerful",
    ),
    "deadline": (
        "Friday", "the end of the day", "the all-hands", "my holiday", "the audit", "noon",
        "the next release", "the board meets",
    ),
}  # fmt: skip
FREE_ANSWERS = (
    "I would start with {group}, since {feeling}; a {tone} word about the {topic} goes a long way.",
    "Hard to say from here. Try a {tone} note on the {topic}, then ask {group}. {ask}",
    "Leave the {topic} until {deadline}; {group} will know more by then. Yes, {feeling}.",
    "Perhaps {trouble} because of the {topic}; {group} could look at it before {deadline}. {ask}",
)


def _prose(rng: Random, seen: dict[str, JsonValue]) -> str:
    """Return a prose request that no rule covers and that is not in `seen`."""
    while True:
        text = _capitalised(_composed(rng, pick(rng, FORMS)))
        if text not in seen and recognise(text) is None:
            return text


def _prose_answer(rng: Random) -> JsonValue:
    """Return null, or now and then some free text that the next request will not get again."""
    if rng.random() >= FREE_ANSWER_SHARE:
        return None
    return _capitalised(_composed(rng, pick(rng, FREE_ANSWERS)))


def _composed(rng: Random, form: str) -> str:
    """Fill every place of `form` with a part drawn from its list."""
    chosen = {}
    for _, name, _, _ in string.Formatter().parse(form):
        if name is not None:
            chosen[name] = pick(rng, PROSE_PARTS[name.removeprefix("other_")])
    return form.format_map(chosen)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def main() -> None:
    """Write the log with the default seed to standard output, one JSON object per line."""
    for row in rows():
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
