"""The rules of a made-up operations help desk: what is asked of it, and the right answers.

    rule = phrasings with typed slots  +  slots → answer

The log generator samples the rules, the demo teacher recognises them: one table, two readers.

Numbers are exact throughout; a decimal answer is rounded half up to two places and written without
trailing zeros. Chance is drawn through `Random.random` alone, the one method whose values Python
promises to keep from release to release.
"""

import functools
import hashlib
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from random import Random
from typing import Literal, TypeVar

from pydantic import JsonValue

Slots = Mapping[str, str]
RuleKind = Literal["calculator", "copy", "lookup", "constant", "condition"]
T = TypeVar("T")

MAX_TEXT = 2_000
TRAILING = " ?!."
SLIP_DRAWS = 64


def always(_: str) -> bool:
    """Return True: the regex alone decides."""
    return True


@dataclass(frozen=True, slots=True)
class SlotKind:
    """What a slot holds. `admits` sees only texts that `regex` matches in full."""

    regex: str
    sample: Callable[[Random], str]
    admits: Callable[[str], bool] = always


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of request. `outdated` is the wrong answer of a rule without slots to misread."""

    name: str
    kind: RuleKind
    phrasings: tuple[str, ...]
    answer: Callable[[Slots], JsonValue]
    slots: Mapping[str, SlotKind] = field(default_factory=dict)
    outdated: JsonValue = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A text understood: its rule and the slot values, as written in the text."""

    rule: Rule
    slots: Slots

    def answer(self) -> JsonValue:
        """Return the right answer."""
        return self.rule.answer(self.slots)


# --- chance ---------------------------------------------------------------------------------------


def pick(rng: Random, options: Sequence[T]) -> T:
    """Return one of `options`, each as likely as the others."""
    return options[int(rng.random() * len(options))]


def pick_weighted(rng: Random, options: Sequence[T], weights: Sequence[int]) -> T:
    """Return one of `options` with a chance in proportion to its weight."""
    left = int(rng.random() * sum(weights))
    for option, weight in zip(options, weights, strict=True):
        left -= weight
        if left < 0:
            return option
    raise ValueError(f"weights must be positive: {weights!r}")


def is_drawn(key: str, share: float) -> bool:
    """Return whether `key` falls into the `share` (0 to 1) that the SHA-256 of keys picks."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()) / 2**256 < share


# --- slot kinds -----------------------------------------------------------------------------------

WHOLE = r"\d{1,9}"
AMOUNT = r"\d{1,9}(?:\.\d{1,4})?"
IDENTIFIER = r"[a-z][a-z0-9._-]{0,30}"


def whole(low: int, high: int, step: int = 1) -> SlotKind:
    """Whole numbers; sampled from `low` to `high` inclusive, in steps."""
    options = range(low, high + 1, step)

    def sample(rng: Random) -> str:
        return str(pick(rng, options))

    return SlotKind(WHOLE, sample)


def cents(low: int, high: int, step: int) -> SlotKind:
    """Amounts; sampled from `low` to `high` cents inclusive, written with two decimals."""
    options = range(low, high + 1, step)

    def sample(rng: Random) -> str:
        euros, rest = divmod(pick(rng, options), 100)
        return f"{euros}.{rest:02d}"

    return SlotKind(AMOUNT, sample)


def sampled_from(regex: str, options: Sequence[str]) -> SlotKind:
    """Anything that `regex` matches; sampled from `options`."""

    def sample(rng: Random) -> str:
        return pick(rng, options)

    return SlotKind(regex, sample)


def one_of(options: Sequence[str]) -> SlotKind:
    """A closed kind: exactly `options`, in any case."""
    longest_first = sorted(options, key=len, reverse=True)
    return sampled_from("|".join(map(re.escape, longest_first)), tuple(options))


def _sample_host(rng: Random) -> str:
    role = pick(rng, ("web", "db", "mail", "cache", "build", "proxy"))
    return f"{role}-{1 + int(rng.random() * 40):02d}"


def _sample_device(rng: Random) -> str:
    role = pick(rng, ("printer", "scanner", "laptop", "badge-reader", "projector"))
    return f"{role}-{1 + int(rng.random() * 60)}"


def _sample_symptom(rng: Random) -> str:
    part = pick(rng, ("paper", "fan", "tray", "lamp", "display", "battery", "cable", "hinge"))
    fault = pick(rng, ("jam", "too loud", "is stuck", "missing", "keeps failing", "is broken"))
    return f"{part} {fault}"


def _sample_address(rng: Random) -> str:
    return "10." + ".".join(str(int(rng.random() * 256)) for _ in range(3))


def _sample_email(rng: Random) -> str:
    return f"{pick(rng, USERS)}@{pick(rng, ('example.com', 'example.org', 'desk.example'))}"


def _sample_date(rng: Random) -> str:
    return f"2026-{1 + int(rng.random() * 12):02d}-{1 + int(rng.random() * 28):02d}"


def _sample_time(rng: Random) -> str:
    return f"{int(rng.random() * 24):02d}:{pick(rng, ('00', '15', '30', '45'))}"


def _sample_ticket(rng: Random) -> str:
    return f"INC-{1000 + int(rng.random() * 9000)}"


def _has_few_words(text: str) -> bool:
    return not text.endswith(" ") and len(text.split(" ")) <= 6


def _is_address(text: str) -> bool:
    return all(int(part) <= 255 for part in text.split("."))


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    hours, minutes = text.split(":")
    return int(hours) < 24 and int(minutes) < 60


USERS = (
    "alice", "bob", "carol", "dmitri", "erin", "farid", "grace", "hana", "ivan", "jun", "kofi",
    "lena", "mateo", "nadia", "omar", "priya", "quentin", "rosa", "sven", "tomas", "uma", "viktor",
)  # fmt: skip
REPOS = (
    "billing", "checkout", "inventory", "mobile-app", "website", "data-jobs", "search", "docs",
    "payments-api", "deploy-scripts", "reports", "login", "ledger", "alerts",
)  # fmt: skip
SERVICES = ("nginx", "redis", "postgres", "grafana", "vault", "postfix", "haproxy", "jenkins")
PATHS = ("/dev/sda1", "/dev/sda2", "/dev/sdb1", "/dev/nvme0n1", "/var/log", "/srv/data", "/home")

USER = sampled_from(IDENTIFIER, USERS)
REPO = sampled_from(IDENTIFIER, REPOS)
SERVICE = sampled_from(IDENTIFIER, SERVICES)
LIST = sampled_from(IDENTIFIER, ("ops-news", "outages", "releases", "security", "all-staff"))
PATH = sampled_from(r"/[a-z0-9/]{1,40}", PATHS)
HOST = SlotKind(r"[a-z]{1,12}-\d{1,4}", _sample_host)
DEVICE = SlotKind(r"[a-z][a-z-]{0,20}\d{1,4}", _sample_device)
SYMPTOM = SlotKind(r"[a-z][a-z ]{1,60}", _sample_symptom, _has_few_words)
ADDRESS = SlotKind(r"\d{1,3}(?:\.\d{1,3}){3}", _sample_address, _is_address)
EMAIL = SlotKind(r"[a-z0-9.]{1,40}@[a-z0-9.]{1,40}", _sample_email)
DATE = SlotKind(r"\d{4}-\d{2}-\d{2}", _sample_date, _is_date)
TIME = SlotKind(r"\d{2}:\d{2}", _sample_time, _is_time)
TICKET = SlotKind(r"INC-\d{4}", _sample_ticket)
PERCENT = SlotKind(AMOUNT, whole(1, 95).sample)
VAT_RATE = sampled_from(AMOUNT, ("5", "7", "10", "19", "20", "21", "25"))
AVAILABILITY = sampled_from(
    AMOUNT, ("95", "98", "99", "99.5", "99.8", "99.9", "99.95", "99.98", "99.99", "97.5", "99.25")
)
ROUND_AMOUNT = SlotKind(AMOUNT, whole(20, 2000, 10).sample)
SUMMAND = SlotKind(AMOUNT, whole(3, 240, 3).sample)


# --- answers --------------------------------------------------------------------------------------


def decimal_text(value: Fraction) -> str:
    """Return `value` as a plain decimal, rounded half up to two places.

    >>> [decimal_text(Fraction(value, 1000)) for value in (43_200, 12_000, 665)]
    ['43.2', '12', '0.67']
    """
    hundredths = (value * 100 + Fraction(1, 2)).__floor__()
    units, rest = divmod(abs(hundredths), 100)
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{units}.{rest:02d}".rstrip("0").rstrip(".")


def product(*names: str, scale: Fraction = Fraction(1)) -> Callable[[Slots], JsonValue]:
    """Answer with the product of the named slots and `scale`."""

    def answer(slots: Slots) -> JsonValue:
        value = scale
        for name in names:
            value *= Fraction(slots[name])
        return decimal_text(value)

    return answer


def with_vat(slots: Slots) -> JsonValue:
    return decimal_text(Fraction(slots["subtotal"]) * (1 + Fraction(slots["rate"]) / 100))


def downtime(slots: Slots) -> JsonValue:
    minutes_of_30_days = 30 * 24 * 60
    return decimal_text(minutes_of_30_days * (1 - Fraction(slots["share"]) / 100))


def mean(slots: Slots) -> JsonValue:
    return decimal_text(sum((Fraction(slots[name]) for name in "abc"), Fraction(0)) / 3)


def days_between(slots: Slots) -> JsonValue:
    return str(abs((date.fromisoformat(slots["end"]) - date.fromisoformat(slots["start"])).days))


def fahrenheit(slots: Slots) -> JsonValue:
    return decimal_text(Fraction(slots["celsius"]) * 9 / 5 + 32)


def free_space(slots: Slots) -> JsonValue:
    return decimal_text(Fraction(slots["size"]) - Fraction(slots["used"]))


def action(name: str, *arguments: str) -> Callable[[Slots], JsonValue]:
    """Answer with an object: the action's name and the named slots as text."""

    def answer(slots: Slots) -> JsonValue:
        return {"action": name, **{argument: slots[argument] for argument in arguments}}

    return answer


def event(name: str, *arguments: str) -> Callable[[Slots], JsonValue]:
    """Answer with an object: the event's name and the named slots in order, digits as a number."""

    def answer(slots: Slots) -> JsonValue:
        values = [slots[argument] for argument in arguments]
        return {"event": name, "args": [int(v) if v.isdecimal() else v for v in values]}

    return answer


def maintenance(slots: Slots) -> JsonValue:
    return {
        "action": "schedule_maintenance",
        "host": slots["host"],
        "start": f"{slots['day']}T{slots['time']}",
    }


def subscription(slots: Slots) -> JsonValue:
    return f"subscribe {slots['list']} {slots['email']}"


def lookup(table: Mapping[str, str], name: str) -> Callable[[Slots], JsonValue]:
    """Answer with the table's entry for the named slot, in any case."""

    def answer(slots: Slots) -> JsonValue:
        return table[slots[name].lower()]

    return answer


def constant(text: str) -> Callable[[Slots], JsonValue]:
    """Answer `text`, whatever the slots."""

    def answer(_: Slots) -> JsonValue:
        return text

    return answer


def yes_no(verdict: bool) -> str:
    return "yes" if verdict else "no"


def may_return(slots: Slots) -> JsonValue:
    return yes_no(int(slots["days"]) <= RETURN_DAYS[slots["item"].lower()])


def may_access(slots: Slots) -> JsonValue:
    months = ACCESS_MONTHS[slots["role"].lower()][slots["level"].lower()]
    return yes_no(months is not None and int(slots["months"]) >= months)


def is_disk_critical(slots: Slots) -> JsonValue:
    return yes_no(Fraction(slots["used"]) >= 90)


def is_password_expired(slots: Slots) -> JsonValue:
    return yes_no(int(slots["days"]) > 90)


def step(steps: Sequence[tuple[int, str]], name: str) -> Callable[[Slots], JsonValue]:
    """Answer with the text of the last of `steps` (lower bound, text) that the slot reaches."""

    def answer(slots: Slots) -> JsonValue:
        given = int(slots[name])
        return [text for bound, text in steps if given >= bound][-1]

    return answer


PORTS = {
    "postgres": "5432", "mysql": "3306", "redis": "6379", "ssh": "22", "https": "443",
    "smtp": "25", "dns": "53", "ldap": "389", "mongodb": "27017", "grafana": "3000",
}  # fmt: skip
ON_CALL = {
    "payments": "Priya", "search": "Kofi", "network": "Lena", "storage": "Omar",
    "identity": "Hana", "mobile": "Mateo", "billing": "Rosa", "email": "Sven",
}  # fmt: skip
SEVERITIES = {
    "blackout": "1", "breach": "1", "data loss": "1", "slowdown": "2", "crash": "2",
    "login failure": "2", "typo": "4", "paper jam": "3", "broken link": "3", "colour request": "4",
}  # fmt: skip
STATUSES = {
    "200": "OK", "301": "Moved Permanently", "400": "Bad Request", "401": "Unauthorized",
    "403": "Forbidden", "404": "Not Found", "409": "Conflict", "429": "Too Many Requests",
    "500": "Internal Server Error", "502": "Bad Gateway", "503": "Service Unavailable",
}  # fmt: skip
FLOORS = {
    "aurora": "1", "basalt": "1", "cedar": "2", "delta": "2", "ember": "3", "fjord": "3",
    "garnet": "4", "harbour": "5",
}  # fmt: skip
RETURN_DAYS = {"laptop": 30, "phone": 14, "monitor": 30, "headset": 7, "keyboard": 14, "dock": 21}
ACCESS_MONTHS: Mapping[str, Mapping[str, int | None]] = {
    "staff member": {"read": 0, "write": 3, "admin": 12},
    "contractor": {"read": 3, "write": 6, "admin": None},
    "trainee": {"read": 3, "write": 9, "admin": None},
}
DISCOUNTS = ((0, "0"), (10, "5"), (50, "10"), (200, "15"))
QUEUES = ((0, "low"), (5, "normal"), (50, "urgent"), (500, "war room"))

RULES: tuple[Rule, ...] = (
    # calculators
    Rule(
        "percent-of",
        "calculator",
        (
            "what is {p} % of {n}",
            "how much is {p} % of {n}",
            "{p} percent of {n}?",
            "calculate {p} % of {n}",
        ),
        product("p", "n", scale=Fraction(1, 100)),
        {"p": PERCENT, "n": ROUND_AMOUNT},
    ),
    Rule(
        "minutes-to-seconds",
        "calculator",
        (
            "how many seconds are {n} minutes?",
            "{n} minutes in seconds",
            "convert {n} minutes to seconds",
        ),
        product("n", scale=Fraction(60)),
        {"n": whole(2, 300)},
    ),
    Rule(
        "days-to-hours",
        "calculator",
        ("how many hours are {n} days?", "{n} days in hours", "turn {n} days into hours"),
        product("n", scale=Fraction(24)),
        {"n": whole(2, 120)},
    ),
    Rule(
        "gb-to-mib",
        "calculator",
        ("how many MiB are {n} GB?", "{n} GB of disk in MiB", "convert {n} GB to MiB"),
        product("n", scale=Fraction(1000**3, 1024**2)),
        {"n": whole(2, 512)},
    ),
    Rule(
        "gib-to-mib",
        "calculator",
        ("how many MiB are {n} GiB?", "{n} GiB of memory in MiB", "convert {n} GiB to MiB"),
        product("n", scale=Fraction(1024)),
        {"n": whole(2, 256)},
    ),
    Rule(
        "seat-price",
        "calculator",
        (
            "price for {n} seats at {p} a seat",
            "what do {n} seats at {p} each cost?",
            "{n} licences at {p} a piece, what is the total?",
        ),
        product("n", "p"),
        {"n": whole(2, 150), "p": cents(195, 9995, 50)},
    ),
    Rule(
        "with-vat",
        "calculator",
        (
            "{subtotal} plus {rate} % VAT",
            "add {rate} % VAT to {subtotal}",
            "what is {subtotal} with {rate} % VAT?",
        ),
        with_vat,
        {"subtotal": ROUND_AMOUNT, "rate": VAT_RATE},
    ),
    Rule(
        "downtime",
        "calculator",
        (
            "how many minutes of downtime does {share} % availability allow in 30 days?",
            "downtime minutes per 30 days at {share} %",
            "our target is {share} %, how many minutes may we be down in 30 days?",
        ),
        downtime,
        {"share": AVAILABILITY},
    ),
    Rule(
        "mean-of-three",
        "calculator",
        (
            "average of {a}, {b} and {c}",
            "what is the mean of {a}, {b} and {c}?",
            "response times {a}, {b}, {c}: what is the average?",
        ),
        mean,
        {"a": SUMMAND, "b": SUMMAND, "c": SUMMAND},
    ),
    Rule(
        "days-between",
        "calculator",
        (
            "how many days are between {start} and {end}?",
            "days from {start} to {end}",
            "count the days from {start} until {end}",
        ),
        days_between,
        {"start": DATE, "end": DATE},
    ),
    Rule(
        "hourly-cost",
        "calculator",
        (
            "what do {n} hours at {rate} an hour cost?",
            "cost of {n} hours at {rate} an hour",
            "a machine costs {rate} an hour, how much is that for {n} hours?",
        ),
        product("n", "rate"),
        {"n": whole(2, 240), "rate": cents(5, 995, 5)},
    ),
    Rule(
        "fahrenheit",
        "calculator",
        (
            "the server room is at {celsius} degrees, what is that in fahrenheit?",
            "{celsius} degrees celsius in fahrenheit",
        ),
        fahrenheit,
        {"celsius": whole(10, 60)},
    ),
    Rule(
        "free-space",
        "calculator",
        (
            "a disk of {size} GB has {used} GB used, how much is free?",
            "free space when {used} of {size} GB are used",
        ),
        free_space,
        {"size": whole(500, 4000, 50), "used": whole(20, 490)},
    ),
    # copies
    Rule(
        "reset-password",
        "copy",
        (
            "reset the password of {user}",
            "{user} forgot the password, please reset it",
            "please set a new password for {user}",
        ),
        action("reset_password", "user"),
        {"user": USER},
    ),
    Rule(
        "restart-service",
        "copy",
        (
            "restart {service} on {host}",
            "please bounce {service} on {host}",
            "{service} hangs on {host}, restart it",
        ),
        action("restart", "service", "host"),
        {"service": SERVICE, "host": HOST},
    ),
    Rule(
        "open-ticket",
        "copy",
        (
            "open a ticket for {device}: {symptom}",
            "new ticket, {device}: {symptom}",
            "please file a ticket about {device}, {symptom}",
        ),
        action("open_ticket", "device", "symptom"),
        {"device": DEVICE, "symptom": SYMPTOM},
    ),
    Rule(
        "grant-access",
        "copy",
        (
            "grant {user} {level} access to repo {repo}",
            "give {user} {level} rights on repo {repo}",
            "{user} needs {level} access to the repo {repo}",
        ),
        action("grant", "user", "level", "repo"),
        {"user": USER, "level": one_of(("read", "write", "admin")), "repo": REPO},
    ),
    Rule(
        "assign-ticket",
        "copy",
        ("assign {ticket} to {user}", "hand {ticket} over to {user}", "{user} will take {ticket}"),
        action("assign", "ticket", "user"),
        {"ticket": TICKET, "user": USER},
    ),
    Rule(
        "unlock-account",
        "copy",
        ("unlock the account of {user}", "the account of {user} is locked, please unlock it"),
        action("unlock", "user"),
        {"user": USER},
    ),
    Rule(
        "subscribe",
        "copy",
        ("add {email} to the list {list}", "subscribe {email} to {list}"),
        subscription,
        {"email": EMAIL, "list": LIST},
    ),
    Rule(
        "schedule-maintenance",
        "copy",
        (
            "schedule maintenance of {host} on {day} at {time}",
            "plan downtime for {host}: {day}, {time}",
        ),
        maintenance,
        {"host": HOST, "day": DATE, "time": TIME},
    ),
    Rule(
        "disk-usage",
        "copy",
        (
            "disk {path} on {host} is {used} % full",
            "{host}: disk {path} at {used} %",
        ),
        event("disk_usage", "path", "host", "used"),
        {"path": PATH, "host": HOST, "used": whole(50, 99)},
    ),
    Rule(
        "login-failed",
        "copy",
        ("failed login for {user} from {address}", "auth: {address} rejected for user {user}"),
        event("login_failed", "user", "address"),
        {"user": USER, "address": ADDRESS},
    ),
    Rule(
        "timed-out",
        "copy",
        (
            "{service} on {host} timed out after {wait} ms",
            "timeout: {service} at {host}, waited {wait} ms",
        ),
        event("timed_out", "service", "host", "wait"),
        {"service": SERVICE, "host": HOST, "wait": whole(500, 30000, 250)},
    ),
    # lookups
    Rule(
        "port",
        "lookup",
        (
            "which port does {name} use?",
            "what is the default port of {name}?",
            "port number for {name}",
        ),
        lookup(PORTS, "name"),
        {"name": one_of(tuple(PORTS))},
    ),
    Rule(
        "on-call",
        "lookup",
        (
            "who is on call for {team}?",
            "whom do I page about {team}?",
            "on-call person of the {team} team",
        ),
        lookup(ON_CALL, "team"),
        {"team": one_of(tuple(ON_CALL))},
    ),
    Rule(
        "severity",
        "lookup",
        (
            "what severity is a {word}?",
            "which severity do I set for a {word}?",
            "severity of {word}",
        ),
        lookup(SEVERITIES, "word"),
        {"word": one_of(tuple(SEVERITIES))},
    ),
    Rule(
        "status-code",
        "lookup",
        ("what does status {code} mean?", "meaning of http {code}", "I got a {code}, what is it?"),
        lookup(STATUSES, "code"),
        {"code": one_of(tuple(STATUSES))},
    ),
    Rule(
        "room-floor",
        "lookup",
        ("on which floor is room {room}?", "where do I find room {room}?"),
        lookup(FLOORS, "room"),
        {"room": one_of(tuple(FLOORS))},
    ),
    # constants
    Rule(
        "opening-hours",
        "constant",
        ("what are your opening hours?", "when is the help desk open?", "opening hours?"),
        constant("Monday to Friday, 8:00 to 18:00"),
        outdated="Monday to Friday, 9:00 to 17:00",
    ),
    Rule(
        "guest-wifi",
        "constant",
        ("what is the guest wifi called?", "which wifi should visitors use?"),
        constant("desk-guest"),
        outdated="desk-visitors",
    ),
    Rule(
        "vpn-address",
        "constant",
        ("what is the VPN address?", "which server do I enter in the VPN client?"),
        constant("vpn.desk.example"),
        outdated="vpn2.desk.example",
    ),
    Rule(
        "status-page",
        "constant",
        ("where is the status page?", "link to the status page please"),
        constant("https://status.desk.example"),
        outdated="https://desk.example/status",
    ),
    Rule(
        "emergency-number",
        "constant",
        ("what is the emergency number?", "which number do I call at night?"),
        constant("extension 4400"),
        outdated="extension 4000",
    ),
    # conditions
    Rule(
        "return-item",
        "condition",
        (
            "can I return a {item} after {days} days?",
            "is it still possible to send back a {item} after {days} days?",
            "I have had this {item} for {days} days, may I return it?",
        ),
        may_return,
        {"item": one_of(tuple(RETURN_DAYS)), "days": whole(2, 45)},
    ),
    Rule(
        "access-policy",
        "condition",
        (
            "may a {role} with {months} months of service get {level} access?",
            "is {level} access allowed for a {role} after {months} months?",
        ),
        may_access,
        {
            "role": one_of(tuple(ACCESS_MONTHS)),
            "months": whole(2, 18),
            "level": one_of(("read", "write", "admin")),
        },
    ),
    Rule(
        "disk-critical",
        "condition",
        (
            "is {used} % disk usage critical?",
            "the disk is at {used} %, is that critical?",
            "do we page somebody at {used} % disk usage?",
        ),
        is_disk_critical,
        {"used": SlotKind(AMOUNT, whole(60, 99).sample)},
    ),
    Rule(
        "password-expired",
        "condition",
        (
            "is a password of {days} days expired?",
            "my password is {days} days old, must I change it?",
        ),
        is_password_expired,
        {"days": whole(10, 180)},
    ),
    Rule(
        "seat-discount",
        "condition",
        (
            "what discount in percent do {n} seats get?",
            "discount for {n} seats",
            "how many percent off when we order {n} seats?",
        ),
        step(DISCOUNTS, "n"),
        {"n": whole(2, 300)},
    ),
    Rule(
        "ticket-queue",
        "condition",
        (
            "which queue gets a ticket with {n} affected users?",
            "{n} users are affected, which queue?",
        ),
        step(QUEUES, "n"),
        {"n": whole(2, 900)},
    ),
)


# --- reading --------------------------------------------------------------------------------------


def recognise(text: str) -> Reading | None:
    """Return the reading of `text`, or None when no rule's phrasing fits.

    Case, runs of spaces and marks at the end make no difference. A text of more than `MAX_TEXT`
    code points has no reading.

    >>> reading = recognise("What is 15%  of 80?")
    >>> reading.rule.name, reading.slots, reading.answer()
    ('percent-of', {'p': '15', 'n': '80'}, '12')
    """
    return next(iter(readings(text)), None)


def readings(text: str) -> list[Reading]:
    """Return every reading of `text`, in the order of the rules. The table has one at most."""
    if len(text) > MAX_TEXT:
        return []
    trimmed = " ".join(text.split()).rstrip(TRAILING)
    found = []
    for rule, expressions in _expressions():
        for expression in expressions:
            match = expression.fullmatch(trimmed)
            if match and all(rule.slots[n].admits(v) for n, v in match.groupdict().items()):
                found.append(Reading(rule, match.groupdict()))
    return found


@functools.cache
def _expressions() -> tuple[tuple[Rule, tuple[re.Pattern[str], ...]], ...]:
    return tuple((rule, tuple(_expression(rule, p) for p in rule.phrasings)) for rule in RULES)


def _expression(rule: Rule, phrasing: str) -> re.Pattern[str]:
    """Return the regex of a phrasing: linear, as no slot's regex nests quantifiers."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(phrasing.rstrip(TRAILING)):
        parts.append(re.escape(literal).replace(r"\ %", r"\ ?%"))
        if name is not None:
            parts.append(f"(?P<{name}>{rule.slots[name].regex})")
    return re.compile("".join(parts), re.ASCII | re.IGNORECASE)


# --- mistakes -------------------------------------------------------------------------------------


def slip(reading: Reading, key: str) -> JsonValue:
    """Return a plausible wrong answer: that of misread slots, or the outdated constant.

    Slots are misread one after the other until the answer changes; null if it never does. The same
    `key` gives the same slip.
    """
    rule, right = reading.rule, reading.answer()
    if not rule.slots:
        return rule.outdated
    rng, slots = Random(f"slip|{key}"), dict(reading.slots)
    for _ in range(SLIP_DRAWS):
        name = pick(rng, tuple(rule.slots))
        slots[name] = rule.slots[name].sample(rng)
        wrong = rule.answer(slots)
        if wrong != right:
            return wrong
    return None
