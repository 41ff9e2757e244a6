"""The demo, scripted and recorded teachers: what they answer, refuse and raise."""

import math
from random import Random

import pytest
from pydantic import JsonValue

from agents.teachers import (
    Question,
    Refused,
    Reply,
    Teacher,
    TeacherMisconfigured,
    TeacherUnavailable,
)
from agents.teachers.demo import DemoTeacher, estimated
from agents.teachers.helpdesk import MAX_TEXT, RULES, recognise
from agents.teachers.recorded import RecordedTeacher, recorded
from agents.teachers.scripted import ScriptedTeacher

REFUSED = Refused("the demo teacher knows only the help desk's requests")
ERRING = DemoTeacher(mistakes=1.0)


def asked(text: str) -> Question:
    return Question("default", "1", text)


def sampled_texts(count: int) -> list[str]:
    """Return `count` requests of every rule, phrasings in turn."""
    rng = Random("sampled texts")
    return [
        rule.phrasings[n % len(rule.phrasings)].format_map(
            {name: kind.sample(rng) for name, kind in rule.slots.items()}
        )
        for rule in RULES
        for n in range(count)
    ]


# rule, text, answer
ANSWERED: list[tuple[str, str, JsonValue]] = [
    ("percent-of", "what is 15 % of 80", "12"),
    ("percent-of", "7.5 percent of 30?", "2.25"),
    ("minutes-to-seconds", "convert 5 minutes to seconds", "300"),
    ("days-to-hours", "how many hours are 3 days?", "72"),
    ("gb-to-mib", "how many MiB are 1 GB?", "953.67"),
    ("gib-to-mib", "how many MiB are 2 GiB?", "2048"),
    ("seat-price", "price for 12 seats at 4.95 a seat", "59.4"),
    ("with-vat", "add 19 % VAT to 250", "297.5"),
    ("downtime", "downtime minutes per 30 days at 99.9 %", "43.2"),
    ("mean-of-three", "average of 3, 6 and 12", "7"),
    ("mean-of-three", "average of 1, 1 and 3", "1.67"),
    ("days-between", "days from 2024-02-28 to 2024-03-01", "2"),
    ("days-between", "days from 2026-03-15 to 2026-03-01", "14"),
    ("hourly-cost", "cost of 12 hours at 0.35 an hour", "4.2"),
    ("fahrenheit", "21 degrees celsius in fahrenheit", "69.8"),
    ("free-space", "free space when 120 of 500 GB are used", "380"),
    ("free-space", "free space when 5.5 of 6 GB are used", None),
    (
        "reset-password",
        "reset the password of alice",
        {"action": "reset_password", "user": "alice"},
    ),
    (
        "restart-service",
        "restart nginx on web-14",
        {"action": "restart", "service": "nginx", "host": "web-14"},
    ),
    (
        "open-ticket",
        "open a ticket for printer-7: paper jam",
        {"action": "open_ticket", "device": "printer-7", "symptom": "paper jam"},
    ),
    (
        "grant-access",
        "grant bob read access to repo billing",
        {"action": "grant", "user": "bob", "level": "read", "repo": "billing"},
    ),
    (
        "assign-ticket",
        "assign INC-4821 to hana",
        {"action": "assign", "ticket": "INC-4821", "user": "hana"},
    ),
    ("unlock-account", "unlock the account of Sven", {"action": "unlock", "user": "Sven"}),
    (
        "subscribe",
        "add rosa@example.org to the list ops-news",
        "subscribe ops-news rosa@example.org",
    ),
    (
        "schedule-maintenance",
        "schedule maintenance of db-02 on 2026-05-04 at 22:30",
        {"action": "schedule_maintenance", "host": "db-02", "start": "2026-05-04T22:30"},
    ),
    ("schedule-maintenance", "schedule maintenance of db-02 on 2026-05-04 at 24:30", None),
    (
        "disk-usage",
        "disk /dev/sda1 on db-03 is 91 % full",
        {"event": "disk_usage", "args": ["/dev/sda1", "db-03", 91]},
    ),
    (
        "login-failed",
        "failed login for omar from 10.4.0.77",
        {"event": "login_failed", "args": ["omar", "10.4.0.77"]},
    ),
    ("login-failed", "failed login for omar from 10.4.0.777", None),
    (
        "timed-out",
        "redis on cache-01 timed out after 750 ms",
        {"event": "timed_out", "args": ["redis", "cache-01", 750]},
    ),
    ("port", "which port does Postgres use?", "5432"),
    ("port", "which port does gopher use?", None),
    ("on-call", "who is on call for payments", "Priya"),
    ("severity", "what severity is a data loss?", "1"),
    ("status-code", "what does status 404 mean?", "Not Found"),
    ("room-floor", "where do I find room fjord?", "3"),
    ("opening-hours", "what are your opening hours?", "Monday to Friday, 8:00 to 18:00"),
    ("guest-wifi", "what is the guest wifi called?", "desk-guest"),
    ("vpn-address", "what is the VPN address?", "vpn.desk.example"),
    ("status-page", "where is the status page?", "https://status.desk.example"),
    ("emergency-number", "what is the emergency number?", "extension 4400"),
    ("return-item", "can I return a laptop after 20 days", "yes"),
    ("return-item", "can I return a laptop after 30 days", "yes"),
    ("return-item", "can I return a laptop after 31 days", "no"),
    ("return-item", "can I return a headset after 20 days", "no"),
    (
        "access-policy",
        "may a contractor with 3 months of service get admin access?",
        "no",
    ),
    (
        "access-policy",
        "may a staff member with 12 months of service get admin access?",
        "yes",
    ),
    ("disk-critical", "is 89 % disk usage critical?", "no"),
    ("disk-critical", "is 90 % disk usage critical?", "yes"),
    ("password-expired", "is a password of 90 days expired?", "no"),
    ("password-expired", "is a password of 91 days expired?", "yes"),
    ("seat-discount", "discount for 9 seats", "0"),
    ("seat-discount", "discount for 10 seats", "5"),
    ("seat-discount", "discount for 1000 seats", "15"),
    ("ticket-queue", "which queue gets a ticket with 49 affected users?", "normal"),
    # How a text is written makes no difference, except inside a slot that is copied.
    ("percent-of", "  WHAT is 15% of\t80 ?!", "12"),
    (
        "reset-password",
        "Reset the password of Alice.",
        {"action": "reset_password", "user": "Alice"},
    ),
]

UNKNOWN = {
    "empty": "",
    "prose": "Good morning, what would you suggest for the summer party?",
    "misspelt": "waht is 15 % of 80",
    "something-before": "please, what is 15 % of 80",
    "something-after": "what is 15 % of 80 and of 90",
    "digits-of-another-script": "what is \N{ARABIC-INDIC DIGIT FIVE} % of 80",
    "no-such-date": "days from 2026-02-29 to 2026-03-01",
    "too-many-words": "open a ticket for printer-7: a b c d e f g",
    "too-many-digits": "what is 15 % of 8000000000",
    "too-long": "what is 15 % of 80" + " " * MAX_TEXT,
}


@pytest.mark.parametrize(("rule", "text", "answer"), ANSWERED, ids=[t for _, t, _ in ANSWERED])
async def test_demo_answers_by_the_rules(rule: str, text: str, answer: JsonValue) -> None:
    reading = recognise(text)
    if answer is None:
        assert reading is None
        assert await DemoTeacher(mistakes=0).answer(asked(text)) == REFUSED
        return
    assert reading is not None
    assert reading.rule.name == rule
    assert await DemoTeacher(mistakes=0).answer(asked(text)) == estimated(text, answer)


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} == {rule for rule, _, answer in ANSWERED if answer}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
async def test_demo_refuses_what_no_phrasing_fits(text: str) -> None:
    assert await DemoTeacher(mistakes=0).answer(asked(text)) == REFUSED


async def test_the_first_example_of_the_guide_is_not_a_mistake() -> None:
    reply = await DemoTeacher().answer(asked("what is 15 % of 80"))
    assert reply == Reply("12", tokens=306, price=0.000153, latency_us=420_000)


async def test_a_mistake_differs_from_the_right_answer_and_repeats() -> None:
    for text in sampled_texts(3):
        right = await DemoTeacher(mistakes=0).answer(asked(text))
        wrong = await ERRING.answer(asked(text))
        assert isinstance(right, Reply) and isinstance(wrong, Reply)
        assert wrong.answer not in (right.answer, None), text
        assert type(wrong.answer) is type(right.answer), text
        assert wrong == await ERRING.answer(asked(text))


async def test_the_share_of_mistakes_is_as_asked() -> None:
    texts = sorted(set(sampled_texts(60)))
    teacher, right = DemoTeacher(mistakes=0.1), DemoTeacher(mistakes=0)
    wrong = [t for t in texts if await teacher.answer(asked(t)) != await right.answer(asked(t))]
    deviation = math.sqrt(0.1 * 0.9 * len(texts))
    assert len(texts) > 1_000
    assert abs(len(wrong) - 0.1 * len(texts)) < 3 * deviation


SCRIPT: dict[str, Reply | Refused | TeacherUnavailable | TeacherMisconfigured] = {
    "known": Reply("yes", tokens=3),
    "null": Reply(None),
    "refused": Refused("not my field"),
    "busy": TeacherUnavailable("rate limit"),
    "broken": TeacherMisconfigured("no such model"),
}


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("known", Reply("yes", tokens=3)),
        ("null", Reply(None)),
        ("refused", Refused("not my field")),
        ("Known", Refused("not in the script: 'Known'")),
    ],
)
async def test_scripted_replies_as_written(text: str, reply: Reply | Refused) -> None:
    assert await ScriptedTeacher(SCRIPT).answer(asked(text)) == reply


@pytest.mark.parametrize(
    ("text", "error", "retriable"),
    [("busy", TeacherUnavailable, True), ("broken", TeacherMisconfigured, False)],
)
async def test_scripted_raises_its_errors(
    text: str, error: type[TeacherUnavailable | TeacherMisconfigured], retriable: bool
) -> None:
    with pytest.raises(error) as raised:
        await ScriptedTeacher(SCRIPT).answer(asked(text))
    assert raised.value.retriable is retriable


LOG: list[dict[str, JsonValue]] = [
    {"text": "a", "answer": "1", "id": "ignored"},
    {"text": "b", "answer": None},
    {"text": "a", "answer": {"n": 2}},
]


@pytest.mark.parametrize(
    ("text", "reply"),
    [("a", Reply({"n": 2})), ("b", Reply(None)), ("c", Refused("not in the log: 'c'"))],
    ids=["the-latest-counts", "null-is-an-answer", "not-in-the-log"],
)
async def test_recorded_repeats_the_log(text: str, reply: Reply | Refused) -> None:
    assert await recorded(LOG).answer(asked(text)) == reply


@pytest.mark.parametrize("row", [{"text": "a"}, {"answer": "1"}, {"text": 3, "answer": "1"}])
def test_recorded_names_the_bad_row(row: dict[str, JsonValue]) -> None:
    with pytest.raises(ValueError, match="row 1 needs a text and an answer"):
        recorded([LOG[0], row])


def test_all_keep_the_protocol() -> None:
    teachers: list[Teacher] = [DemoTeacher(), ScriptedTeacher({}), RecordedTeacher({})]
    assert [(t.name, t.prefix) for t in teachers] == [
        ("demo", ""),
        ("scripted", ""),
        ("recorded", ""),
    ]
