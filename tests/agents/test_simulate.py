"""`kappa simulate` and what reads its log: bad input is named, odd input is survived."""

import json
import math
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agents.audits import least_probability
from artifacts.comparators import same
from artifacts.fleet_risk import FleetRisk, audited, served
from tests.agents.simulations import HELPDESK, Ran, helpdesk, kappa, simulated, write_log

GOOD = b'{"text": "what is 1 + 1", "answer": "2"}\n'

# --- bad rows -------------------------------------------------------------------------------------

BAD: list[tuple[str, bytes, str]] = [
    ("no-answer", b'{"text": "a"}', "the field 'answer' is missing"),
    ("no-text", b'{"answer": 1}', "the field 'text' is missing or no string"),
    ("text-is-no-string", b'{"text": 7, "answer": 1}', "the field 'text' is missing or no string"),
    ("text-is-null", b'{"text": null, "answer": 1}', "the field 'text' is missing or no string"),
    ("not-json", b"{text: a}", "not JSON"),
    ("half-a-row", b'{"text": "a", "answer": ', "not JSON"),
    ("no-object", b'["text", "answer"]', "not a JSON object"),
    ("not-utf-8", b'{"text": "caf\xe9", "answer": 1}', "not UTF-8 at byte 13"),
    ("utf-16", '{"text": "a", "answer": 1}'.encode("utf-16"), "not UTF-8"),
    ("nan", b'{"text": "a", "answer": NaN}', "NaN"),
    ("infinity", b'{"text": "a", "answer": -Infinity}', "Infinity"),
    ("overflow", b'{"text": "a", "answer": {"b": 1e999}}', "not a finite number"),
    ("10000-digits", b'{"text": "a", "answer": ' + b"7" * 10_000 + b"}", "not JSON"),
    ("4290-digits", b'{"text": "a", "answer": ' + b"7" * 4290 + b"}", "more than 14000 bits"),
    ("too-deep", b'{"text": "a", "answer": ' + b"[" * 80 + b"]" * 80 + b"}", "deeper than"),
    ("very-deep", b'{"text": "a", "answer": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "not JSON"),
    ("asked-at-is-no-time", b'{"text": "a", "answer": 1, "asked_at": "noon"}', "noon"),
    ("asked-at-is-true", b'{"text": "a", "answer": 1, "asked_at": true}', "asked_at True"),
    ("asked-at-too-large", b'{"text": "a", "answer": 1, "asked_at": 1' + b"0" * 30 + b"}",
     "asked_at"),
    ("two-keys-become-one", b'{"text": "a", "answer": {"\\ud800": 1, "\\ud801": 2}}', "two keys"),
    ("text-too-long", b'{"text": "' + b"a" * 1_000_001 + b'", "answer": 1}',
     "the limit is 1000000"),
    ("line-too-long", b'{"text": "a", "answer": "' + b"a" * 9_000_000 + b'"}', "longer than"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "bad", "problem"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_row_is_named(tmp_path: Path, name: str, bad: bytes, problem: str) -> None:
    log = GOOD + b"\n" + bad.replace(b"\n", b" ") + b"\n" + GOOD
    ran = simulated(tmp_path / "stop", log)
    assert ran.status == 2
    assert "row 3: " in ran.err
    assert problem in ran.err
    assert ran.out == ""
    assert ran.report == {}
    skipped = simulated(tmp_path / "skip", log, "--skip-bad")
    assert skipped.status == 0
    assert "skipped row 3: " in skipped.err
    assert "1 bad rows were skipped" in skipped.err
    assert skipped.report["events"] == 2
    assert [line["index"] for line in skipped.decisions] == [0, 1]


def test_bad_rows_beyond_the_limit_are_not_met(tmp_path: Path) -> None:
    assert simulated(tmp_path, GOOD + b"junk\n", "--limit", 1).status == 0


@pytest.mark.parametrize("log", [b"", b"\n\n", b"  \n"])
def test_an_empty_log_is_simulated(tmp_path: Path, log: bytes) -> None:
    ran = simulated(tmp_path, log)
    assert (ran.status, ran.lines, ran.report["events"], ran.report["curve"]) == (0, [], 0, [])


# --- odd texts and answers ------------------------------------------------------------------------

ODD: list[Any] = [
    "",
    " ",
    "\x00\x01\x1b[31m\x7f\x85\u2028",
    "half \ud800 a pair \udfff",
    "cafe\u0301 and caf\u00e9",
    "\u202eabc\u202c \u200f5\u200e \u2066x\u2069",
    "7" * 10_000,
    "add 1 to " + "7" * 400,
    "-" * 1999,
    "x" * 100_000,
    "٣ + ٤ = ٧",
    "\U0001f469\u200d\U0001f4bb" * 30,
    "{n:integer} (a|b)* [c] \\d+ $HOME `id` %s",
    "[bold]markup[/] [/]",
    "\U0001e4d0",
]


@pytest.mark.slow
def test_odd_texts_and_answers_are_survived(tmp_path: Path) -> None:
    answers: list[Any] = [*ODD, None, True, 0, -0.0, 1e-300, 10**400, [], {}, {"": ODD}, [[None]]]
    rows = [
        {"text": text, "answer": answer, "id": ODD[:3]}
        for answer in answers
        for text in (*ODD, "what is " + (ODD[2] or ""))
    ]
    ran = simulated(tmp_path, rows, "--data", tmp_path / "data", "--feedback-rate", 1)
    assert (ran.status, ran.report["events"]) == (0, len(rows))
    by_text = {
        rows[line["index"]]["text"]: line["reason"]
        for line in ran.decisions
        if line["outcome"] == "abstained"
    }
    assert by_text["x" * 100_000] == "over_limit"
    assert by_text["7" * 10_000] == "over_limit"
    assert by_text["\U0001e4d0"] == "unknown_character"
    data = ("--data", tmp_path / "data")
    assert kappa("replay", *data)[1] == f"{len(rows)} decisions, 0 differ, 0 not judged\n"
    for index in range(len(ODD)):
        assert kappa("explain", index, *data)[0] == 0
        assert json.loads(kappa("explain", index, "--json", *data)[1])["utterance_id"] == str(index)


def test_the_forms_of_one_text_are_one_text(tmp_path: Path) -> None:
    """Composed or not, in capitals or not, with other spaces: a repeat is a repeat."""
    forms = ["opening hours of the caf\u00e9", "Opening  hours of the cafe\u0301 ",
             "OPENING HOURS\tOF THE CAF\u00c9"]  # fmt: skip
    rows = [{"text": forms[n % 3], "answer": "from eight to six, every day"} for n in range(12)]
    ran = simulated(tmp_path, rows)
    assert [line["outcome"] for line in ran.decisions][-3:] == ["answered"] * 3


def test_huge_answers_are_survived(tmp_path: Path) -> None:
    rows = [{"text": f"page {n * n % 37} please", "answer": f"x{n}" * 30_000} for n in range(24)]
    rows.append({"text": "all pages", "answer": "x" * 2_000_000})
    ran = simulated(tmp_path, rows, "--data", tmp_path / "data")
    assert (ran.status, ran.report["events"]) == (0, 25)
    assert kappa("rejected", "list", "--data", tmp_path / "data")[0] == 0


# --- the report -----------------------------------------------------------------------------------

FIELDS = {
    "events", "answered", "wrong", "coverage", "risk", "slotless_coverage", "certified_risk",
    "teacher_calls", "saving", "families", "refinements", "learn_seconds", "decide_us_p50",
    "decide_us_p99", "curve",
}  # fmt: skip
LINE = ["index", "id", "outcome", "answer", "family", "version", "revision", "reason",
        "probability", "audited", "recalled"]  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def ran(directory: Path) -> Ran:
    return simulated(
        directory, helpdesk(500), "--data", directory / "data", "--audit-rate", 0.2,
        "--feedback-rate", 1, "--feedback-noise", 0.05,
    )  # fmt: skip


def test_the_report_counts_what_the_decisions_say(ran: Ran) -> None:
    report, lines = ran.report, ran.decisions
    assert set(report) >= FIELDS
    assert [list(line) for line in lines] == [LINE] * 500
    given = [line for line in lines if line["outcome"] == "answered"]
    asked = [line for line in lines if line["audited"] or line["recalled"]]
    assert given
    assert asked
    assert report["events"] == 500
    assert report["answered"] == len(given)
    assert report["coverage"] == len(given) / 500
    assert report["teacher_calls"] == 500 - len(given) + len(asked)
    assert math.isclose(report["saving"], 1 - report["teacher_calls"] / 500)
    assert report["risk"] == report["wrong"] / len(given)
    assert [line["id"] for line in lines] == [row["id"] for row in helpdesk(500)]
    for line in lines:
        assert (line["reason"] is None) == (line["outcome"] == "answered")
        assert line["outcome"] == "answered" or not (line["audited"] or line["recalled"])


def test_the_certified_risk_follows_from_the_decisions(ran: Ran) -> None:
    fleet = FleetRisk(least_probability(0.2))
    for row, line in zip(helpdesk(500), ran.decisions, strict=True):
        if line["outcome"] == "answered":
            fleet = served(fleet, line["probability"])
            if line["audited"]:
                agreed = same(line["answer"], row["answer"])
                fleet = audited(fleet, line["probability"], agreed=agreed)
    assert fleet.audited > 10
    assert math.isclose(ran.report["certified_risk"], fleet.certified_risk(), abs_tol=1e-5)
    assert ran.report["risk"] <= ran.report["certified_risk"] < 1


def test_the_curve_has_fifty_points_of_the_stream_so_far(ran: Ran) -> None:
    curve = ran.report["curve"]
    assert [point["events"] for point in curve] == list(range(10, 501, 10))
    assert set(curve[0]) == {"events", "coverage", "risk", "certified_risk", "families"}
    for point in curve:
        lines = ran.decisions[: point["events"]]
        given = sum(line["outcome"] == "answered" for line in lines)
        assert point["coverage"] == given / point["events"]
    assert curve[-1]["coverage"] == ran.report["coverage"]


# --- what lies in the directory -------------------------------------------------------------------


def test_a_used_directory_is_refused(ran: Ran, directory: Path) -> None:
    before = (directory / "data" / "kappa.db").read_bytes()
    status, _, err = kappa("simulate", HELPDESK, "--limit", 1, "--data", directory / "data")
    assert (status, "holds a log already" in err) == (2, True)
    assert (directory / "data" / "kappa.db").read_bytes() == before


def test_every_decision_is_replayed_to_the_byte(ran: Ran, directory: Path) -> None:
    data = ("--data", directory / "data")
    assert kappa("replay", *data)[:2] == (0, "500 decisions, 0 differ, 0 not judged\n")
    assert json.loads(kappa("replay", "--json", *data)[1]) == {
        "differences": [],
        "decisions": 500,
        "identical": 500,
        "differ": 0,
        "not_judged": {},
        "without_decision": 0,
    }


def test_replay_against_another_registry_lists_the_differences(ran: Ran, directory: Path) -> None:
    status, out, _ = kappa("replay", "--against", 0, "--data", directory / "data")
    answered = [line["index"] for line in ran.decisions if line["outcome"] == "answered"]
    shadows = [line["index"] for line in ran.decisions if line["reason"] == "shadow_only"]
    *rows, summary = out.splitlines()
    assert status == 1
    assert summary == f"500 decisions, {len(rows)} differ, 0 not judged"
    assert {int(row.partition(":")[0]) for row in rows} >= {*answered, *shadows}
    assert "became abstained (miss)" in rows[0]


def test_an_answer_is_explained(ran: Ran, directory: Path) -> None:
    line = next(line for line in reversed(ran.decisions) if line["outcome"] == "answered")
    data = ("--data", directory / "data")
    document = json.loads(kappa("explain", line["index"], "--json", *data)[1])
    assert (document["answer"], document["family"], document["version"]) == (
        line["answer"],
        line["family"],
        line["version"],
    )
    for slot in document["slots"]:
        assert document["text"][slot["start"] : slot["end"]] == slot["text"]
    assert line["family"] in kappa("explain", line["index"], *data)[1]
    status, _, err = kappa("explain", "no-such", *data)
    assert (status, "no utterance 'no-such'" in err) == (1, True)


def test_families_are_listed_and_shown(ran: Ran, directory: Path) -> None:
    data = ("--data", directory / "data")
    rows = json.loads(kappa("families", "list", "--json", *data)[1])
    live = [row for row in rows if row["stage"] == "live"]
    assert len(live) == ran.report["families"] > 0
    assert json.loads(kappa("families", "list", "--stage", "live", "--json", *data)[1]) == live
    shown = json.loads(kappa("families", "show", live[0]["family"], "--json", *data)[1])
    assert shown["artifact"]["examples"]
    assert live[0]["family"] in kappa("families", "show", live[0]["family"], *data)[1]
    assert kappa("families", "list", *data)[0] == 0
    assert kappa("families", "show", "no-such", *data)[0] == 1


# --- directories and files that cannot be used ----------------------------------------------------

READERS = (("replay",), ("explain", "1"), ("families", "list"), ("rejected", "list"))


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader[0])
def test_a_missing_log_is_named(tmp_path: Path, reader: tuple[str, ...]) -> None:
    status, _, err = kappa(*reader, "--data", tmp_path)
    assert (status, str(tmp_path) in err) == (2, True)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader[0])
@pytest.mark.parametrize("damage", ["junk", "empty", "foreign", "truncated", "directory"])
def test_a_damaged_log_is_named(
    ran: Ran, directory: Path, tmp_path: Path, reader: tuple[str, ...], damage: str
) -> None:
    path = tmp_path / "kappa.db"
    match damage:
        case "junk":
            path.write_bytes(b"junk" * 5000)
        case "empty":
            path.touch()
        case "foreign":
            connection = sqlite3.connect(path)
            connection.execute("CREATE TABLE notes (line TEXT)")
            connection.close()
        case "truncated":
            whole = (directory / "data" / "kappa.db").read_bytes()
            path.write_bytes(whole[: len(whole) // 3 // 4096 * 4096])
        case "directory":
            path.mkdir()
    status, _, err = kappa(*reader, "--data", tmp_path)
    assert (status, str(path) in err) == (2, True)


@pytest.mark.parametrize("option", ["--decisions", "--report", "--data"])
@pytest.mark.parametrize("place", ["file/inside", "missing/inside"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, option: str, place: str) -> None:
    (tmp_path / "file").touch()
    log = write_log(tmp_path / "log.jsonl", helpdesk(3))
    path = tmp_path / place
    status, _, err = kappa("simulate", log, option, path)
    if (option, place) == ("--data", "missing/inside"):
        assert status == 0
    else:
        assert (status, str(path) in err) == (2, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o500)
    status, _, err = kappa("simulate", HELPDESK, "--limit", 1, "--data", data)
    assert (status, str(data) in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("no-such.jsonl",), "no-such.jsonl"),
        ((".",), "Is a directory"),
        ((), "either LOG or --lockstep"),
        ((str(HELPDESK), "--lockstep"), "either LOG or --lockstep"),
        (
            ("--lockstep", "--limit", "3"),
            "takes --audit-rate, --max-risk, --threshold, --data alone",
        ),
        ((str(HELPDESK), "--max-risk", "0"), "max_risk"),
        ((str(HELPDESK), "--max-risk", "nan"), "max_risk"),
        ((str(HELPDESK), "--audit-rate", "2"), "audit-rate"),
        ((str(HELPDESK), "--feedback-rate", "-1"), "feedback-rate"),
        ((str(HELPDESK), "--limit", "-1"), "limit"),
        ((str(HELPDESK), "--teacher", "oracle"), "teacher"),
    ],
)
def test_wrong_use_is_exit_status_2(arguments: tuple[str, ...], problem: str) -> None:
    status, _, err = kappa("simulate", *arguments)
    assert (status, problem in err) == (2, True)
