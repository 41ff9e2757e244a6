"""`kappa families`: people look at versions and move them through the gate; nobody runs the log."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.commands.shared import LOG_NAME
from agents.history import records
from agents.service import now_us
from streams.codec import encode
from streams.events import ProposalRefused, VersionChanged, VersionProposed
from streams.transports.embedded import EmbeddedLog
from tests.agents.family_logs import Bench, two_versions
from tests.agents.worlds import TENANT, change, proposal


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Desk:
    """A data directory and the commands on it."""

    data: Path

    def families(self, *arguments: object, **environment: str) -> Said:
        words = ["families", *map(str, arguments), "--data", str(self.data)]
        said = CliRunner().invoke(main, words, env={"COLUMNS": "200"} | environment)
        if said.exception is not None and not isinstance(said.exception, SystemExit):
            raise said.exception
        return Said(said.exit_code, said.stdout, said.stderr)

    def json(self, *arguments: object) -> Any:
        said = self.families(*arguments, "--json")
        return json.loads(said.out)

    def stages(self) -> dict[str, str]:
        return {f"{row['family']}@{row['version']}": row["stage"] for row in self.json("list")}

    def events(self) -> list[Any]:
        async def read() -> list[Any]:
            log = EmbeddedLog.open(self.data / LOG_NAME, read_only=True)
            found = [e async for _, e in records(log, ("proposals", "versions", "learning"))]
            await log.close()
            return found

        return asyncio.run(read())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    asyncio.run(two_versions(tmp_path))
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A log that is only read; `m@2` lacks evidence."""
    data = tmp_path_factory.mktemp("families")
    asyncio.run(two_versions(data, seen=3))
    yield Desk(data)


BEFORE = {"m@1": "live", "m@2": "shadow", "r@1": "shadow", "s@1": "shadow"}


@dataclass(frozen=True, slots=True)
class Row:
    """A command, its exit status, a part of what it says, and the stages that are others after."""

    name: str
    words: tuple[str, ...]
    status: int
    says: str
    after: dict[str, str]


MOVES = (
    Row("promote", ("promote", "m@2"), 0, "m@2 live, m@1 retired",
        {"m@1": "retired", "m@2": "live"}),
    Row("promote-the-newest", ("promote", "m"), 0, "m@2 live, m@1 retired",
        {"m@1": "retired", "m@2": "live"}),
    Row("promote-at-once", ("promote", "m", "--wait", "0"), 0, "m@2 live",
        {"m@1": "retired", "m@2": "live"}),
    Row("promote-in-a-scope", ("promote", "m", "--tenant", TENANT), 0, "change set 6",
        {"m@1": "retired", "m@2": "live"}),
    Row("promote-without-evidence", ("promote", "s"), 1,
        "refused by evidence: s@1: 0 agreements of 5", {}),
    Row("promote-what-clashes", ("promote", "r"), 1, "refused by lost-hits: 2 of the last answers",
        {}),
    Row("promote-to-a-canary", ("promote", "m@2", "--canary", "--share", "0.1"), 0, "m@2 canary",
        {"m@2": "canary"}),
    Row("a-canary-without-evidence", ("promote", "s", "--canary", "--share", "0.1"), 1,
        "refused by evidence: s@1: 0 agreements of 5", {}),
    Row("a-canary-that-would-clash", ("promote", "r", "--canary", "--share", "0.001"), 1,
        "refused by lost-hits: 2 of the last answers", {}),
    Row("a-canary-of-no-share", ("promote", "m", "--canary"), 2,
        "canary_share of acme is 0: say which share", {}),
    Row("a-share-of-nothing", ("promote", "m", "--canary", "--share", "0"), 2, "0<x<=1", {}),
    Row("a-share-without-a-canary", ("promote", "m", "--share", "0.1"), 2,
        "--share is that of a --canary", {}),
    Row("a-canary-of-what-serves", ("promote", "m@1", "--canary", "--share", "0.1"), 2,
        "m@1 is live; canary may not follow", {}),
    Row("promote-what-serves", ("promote", "m@1"), 2, "m@1 is live; live may not follow", {}),
    Row("promote-nothing", ("promote", "x"), 2, "no family 'x'", {}),
    Row("promote-elsewhere", ("promote", "m", "--tenant", "other"), 2, "no family 'm' of 'other'",
        {}),
    Row("promote-no-version", ("promote", "m@3"), 2, "m has versions 1 to 2, and no 3", {}),
    Row("promote-version-zero", ("promote", "m@0"), 2, "and no 0", {}),
    Row("retire-one", ("retire", "m@2"), 0, "m@2 retired", {"m@2": "retired"}),
    Row("retire-all", ("retire", "m"), 0, "m@1 retired, m@2 retired",
        {"m@1": "retired", "m@2": "retired"}),
    Row("rollback-the-first", ("rollback", "m"), 2, "m@1 has no version before it", {}),
    Row("rollback-what-does-not-serve", ("rollback", "m@2"), 2, "m@2 is shadow", {}),
    Row("rollback-nothing-serves", ("rollback", "s"), 2, "s: no version serves", {}),
    Row("no-reason", ("promote", "m", "--reason", ""), 2, "reason: String should", {}),
)  # fmt: skip


@pytest.mark.parametrize("row", MOVES, ids=lambda row: row.name)
def test_a_move_goes_through_the_gate_or_says_why_not(desk: Desk, row: Row) -> None:
    said = desk.families(row.words[0], "--reason", "seen by me", *row.words[1:])
    assert (said.status, row.says in said.out + said.err) == (row.status, True), said
    assert desk.stages() == BEFORE | row.after
    wanted = [e for e in desk.events() if isinstance(e, VersionProposed)]
    people = [e for e in wanted if (e.actor, e.reason) == ("person", "seen by me")]
    assert len(people) == (row.status < 2)


def test_a_move_is_one_change_set_with_its_reason(desk: Desk) -> None:
    ordinal = desk.json("promote", "m", "--reason", "seen by me")["ordinal"]
    made = [e for e in desk.events() if isinstance(e, VersionChanged)][-1]
    assert (made.ordinal, made.actor, made.reason, made.previous) == (
        ordinal, "person", "seen by me", ordinal - 1,
    )  # fmt: skip
    assert [(c.version, c.stage) for c in made.changes] == [(2, "live"), (1, "retired")]


def test_rollback_brings_the_version_before_back_into_shadow(desk: Desk) -> None:
    assert desk.families("promote", "m", "--reason", "better").status == 0
    said = desk.families("rollback", "m", "--reason", "worse")
    assert (said.status, "m@2 retired, m@1 shadow" in said.out) == (0, True)
    assert desk.stages() == BEFORE | {"m@1": "shadow", "m@2": "retired"}
    again = desk.families("promote", "m@1", "--reason", "too early")
    assert (again.status, "0 agreements of 5" in again.err) == (1, True)
    missing = desk.families("promote", "m@2", "--reason", "no")
    assert (missing.status, "m@2 is retired" in missing.err) == (2, True)


def test_a_refusal_as_json_has_every_check(desk: Desk) -> None:
    document = desk.json("promote", "s", "--reason", "why not")
    assert document["outcome"] == "refused"
    assert {c["check"]: c["passed"] for c in document["checks"]}["evidence"] is False
    assert [e.actor for e in desk.events() if isinstance(e, ProposalRefused)] == ["person"]


def test_what_lay_undecided_is_decided_first(desk: Desk) -> None:
    """A service was killed with a proposal in its log: what was seen of the family is outdated."""

    async def left() -> None:
        bench = await Bench.on(desk.data)
        entry = await bench.entry("m", 2)
        event = proposal([change("m", 2, entry.artifact, "retired")], previous=5, actor="refiner")
        await bench.log.publish([encode(event, timestamp=now_us())])
        await bench.log.close()

    asyncio.run(left())
    said = desk.families("promote", "m@2", "--reason", "late")
    assert (said.status, "live may not follow retired" in said.err) == (1, True), said
    assert desk.stages() == BEFORE | {"m@2": "retired"}


# --- signed logs ----------------------------------------------------------------------------------


def test_a_signed_log_is_written_with_the_key_alone(desk: Desk, tmp_path: Path) -> None:
    key = tmp_path / "key"
    public = CliRunner().invoke(main, ["keys", "generate", str(key)]).stdout.strip()
    keys = {"KAPPA_SIGNING_KEY_FILE": str(key), "KAPPA_SIGNED_FROM": "6"}
    unsigned = desk.families(
        "retire", "s", "--reason", "no", KAPPA_VERIFY_KEYS=public, KAPPA_SIGNED_FROM="6"
    )
    assert (unsigned.status, "give the signing key" in unsigned.err) == (2, True)
    assert desk.families("retire", "s", "--reason", "yes", **keys).status == 0
    later = desk.families("retire", "r", "--reason", "no key at hand")
    assert (later.status, "change sets are signed here" in later.err) == (2, True)
    assert desk.stages() == BEFORE | {"s@1": "retired"}


def test_a_canary_has_the_share_of_the_policy_and_waits_to_be_live(desk: Desk) -> None:
    policy = json.dumps({TENANT: {"canary_share": 0.25}})
    made = desk.families("promote", "m", "--canary", "--reason", "try", "--json",
                         KAPPA_POLICY=policy)  # fmt: skip
    [line] = json.loads(made.out)["changes"]
    assert (line["version"], line["stage"], line["share"]) == (2, "canary", 0.25)
    [row] = [row for row in desk.json("waiting") if row["family"] == "m"]
    assert (row["stage"], row["share"]) == ("canary", 0.25)
    assert row["missing"] == "0 agreements as a canary of 10"
    shown = " ".join(desk.families("waiting").out.split())
    assert "canary of 25 %" in shown
    assert "canary 0/10" in shown
    assert "2 versions in shadow, 1 canaries" in shown
    assert "canary of 25 %" in desk.families("show", "m").out
    assert "+stage canary, share 0.25" in desk.families("diff", "m").out
    said = desk.families("promote", "m@2", "--reason", "now")
    assert (said.status, "0 agreements as a canary of 10" in said.err) == (1, True)
    assert desk.families("rollback", "m@2", "--reason", "no").status == 0
    assert desk.stages() == BEFORE | {"m@2": "retired"}


# --- what waits -----------------------------------------------------------------------------------


def test_waiting_says_what_each_lacks(looked_at: Desk) -> None:
    rows = {row["family"]: row for row in looked_at.json("waiting")}
    assert {name: row["missing"] for name, row in rows.items()} == {
        "m": "3 agreements of 5", "r": None, "s": "0 agreements of 5",
    }  # fmt: skip
    assert rows["m"]["needs"] == [
        {"what": "agreements", "seen": 3, "needed": 5, "slot": None, "parts": []},
        {
            "what": "bits", "seen": 30.0, "needed": 21.98, "slot": None,
            "parts": [["margin", 20.0], ["description", 1.98], ["price", 0.0], ["returns", 0.0]],
        },
        {"what": "values", "seen": 3, "needed": 3, "slot": "n", "parts": []},
    ]  # fmt: skip
    assert not any(row["waits_for_approval"] for row in rows.values())
    shown = looked_at.families("waiting").out
    assert "m@2" in shown
    assert "3/5         30/22" in shown
    assert "20 margin" in shown and "2 description" in shown
    assert "nothing" in shown
    assert looked_at.json("waiting", "--tenant", "other") == []


def test_what_an_agent_may_not_promote_waits_for_a_person(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    approval = frozenset({TENANT})
    asyncio.run(two_versions(tmp_path, approval=approval))

    async def proposed() -> None:
        bench = await Bench.on(tmp_path, approval)
        entry = await bench.entry("m", 2)
        await bench.propose([change("m", 2, entry.artifact, "live")], actor="auditor")
        await bench.log.close()

    asyncio.run(proposed())
    rows = {row["family"]: row for row in desk.json("waiting")}
    assert {name for name, row in rows.items() if row["waits_for_approval"]} == {"m"}
    assert rows["m"]["refused"] == {"approval": "waits for approval"}
    assert rows["m"]["noted"] == {}
    assert "waits for approval" in desk.families("waiting").out
    said = desk.families("promote", "m", "--reason", "approved", KAPPA_APPROVAL=TENANT)
    assert (said.status, desk.stages()["m@2"]) == (0, "live")
    assert "m" not in {row["family"] for row in desk.json("waiting")}


def test_a_refusal_is_shown_until_the_version_moves(desk: Desk) -> None:
    assert desk.families("promote", "r", "--reason", "try").status == 1
    [row] = [row for row in desk.json("waiting") if row["family"] == "r"]
    assert set(row["refused"]) == {"lost-hits"}
    assert "lost-hits: 2 of the last answers would be lost" in desk.families("waiting").out
    assert desk.families("retire", "m", "--reason", "in the way").status == 0
    assert desk.families("promote", "r", "--reason", "again").status == 0


# --- how versions differ --------------------------------------------------------------------------

DIFF = """\
--- m@1
+++ m@2
@@ -1,21 +1,22 @@
-stage live
+stage shadow
 grammar
-  {n:integer} minutes to seconds
+  {n:integer} (minutes|mins) to seconds
 program
   t0 = mul(n, 60)
   t1 = show(t0)
   answer t1
"""


def test_a_diff_reads_as_text(looked_at: Desk) -> None:
    said = looked_at.families("diff", "m", 1, 2)
    assert said.status == 0
    assert said.out.splitlines()[3:11] == DIFF.splitlines()[3:11]
    lines = (
        '+  "5 mins to seconds" -> "300"',
        "-  6 agreements since it entered shadow",
        "+  3 agreements since it entered shadow",
        "+  lacks 3 agreements of 5",
    )
    for line in lines:
        assert line in said.out.splitlines()
    assert looked_at.families("diff", "m").out == said.out
    assert looked_at.families("diff", "m", 2, 1).out.startswith("--- m@2\n+++ m@1\n")
    document = looked_at.json("diff", "m")
    assert document["diff"] == said.out.splitlines()
    assert [row["version"] for row in document["versions"]] == [1, 2]


def test_a_diff_with_replay_lists_what_the_two_decide_differently(looked_at: Desk) -> None:
    """An utterance of another tenant, or with a context, is none of theirs."""
    document = looked_at.json("diff", "m", "--replay")
    assert document["utterances"] == 3
    assert document["decided_otherwise"] == [
        {"utterance_id": "u7", "tenant": TENANT, "text": "7 mins to seconds",
         "before": "not read", "after": '"420"'},
    ]  # fmt: skip
    said = looked_at.families("diff", "m", "--replay").out
    assert "1 of 3 recent utterances decided otherwise" in said
    assert """'7 mins to seconds': not read became "420\"""" in said
    assert looked_at.json("diff", "m", "--replay", "--last", 2)["utterances"] == 0
    assert looked_at.json("diff", "m", "--replay", "--last", 3)["utterances"] == 1


BAD = (
    ("one-version", ("diff", "m", "1"), "give two versions"),
    ("three-versions", ("diff", "m", "1", "2", "2"), "give two versions"),
    ("no-such-version", ("diff", "m", "1", "9"), "no 9"),
    ("only-one-there", ("diff", "s"), "s has one version only"),
    ("no-such-family", ("diff", "x"), "no family 'x'"),
    ("version-zero", ("diff", "m", "0", "1"), "0 is not in the range"),
    ("test-no-such-family", ("test", "x", __file__), "no family 'x'"),
    ("test-no-such-version", ("test", "m@9", __file__), "no 9"),
    ("test-no-rows", ("test", "m", __file__), "row 1: not JSON"),
    ("test-no-file", ("test", "m", "no-such-file"), "does not exist"),
)


@pytest.mark.parametrize(("name", "words", "says"), BAD, ids=[row[0] for row in BAD])
def test_bad_input(looked_at: Desk, name: str, words: tuple[str, ...], says: str) -> None:
    said = looked_at.families(*words)
    assert (said.status, says in said.err) == (2, True), said


# --- a version held against a file ----------------------------------------------------------------

TESTED = (
    ("agreements", "m", [("2 minutes to seconds", "120"), ("3 mins to seconds", 180)],
     0, (2, 0, 0, 0)),
    ("not-read", "m@1", [("2 minutes to seconds", "120"), ("3 mins to seconds", 180)],
     0, (1, 0, 0, 1)),
    ("a-difference", "m", [("2 minutes to seconds", "121")], 1, (0, 1, 0, 0)),
    ("null-is-right", "m", [("2 minutes to seconds", None), ("hello", None)], 1, (0, 1, 0, 1)),
    ("a-failure-abstains", "s", [("8 shared by 0", "0"), ("8 shared by 4", "2")],
     0, (1, 0, 1, 0)),
    ("no-row", "m", [], 0, (0, 0, 0, 0)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "family", "pairs", "status", "counts"), TESTED, ids=[row[0] for row in TESTED]
)
def test_a_version_is_held_against_pairs(
    looked_at: Desk, tmp_path: Path, name: str, family: str, pairs: list[tuple[str, Any]],
    status: int, counts: tuple[int, ...],
) -> None:  # fmt: skip
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"text": t, "answer": a}) + "\n" for t, a in pairs))
    said = looked_at.families("test", family, file, "--json")
    document = json.loads(said.out)
    assert said.status == status
    assert counts == (
        document["agreements"], len(document["differences"]), len(document["failed"]),
        document["not_read"],
    )  # fmt: skip
    shown = looked_at.families("test", family, file)
    assert (shown.status, f"{counts[0]} agreements, {counts[1]} differences" in shown.out) == (
        status, True,
    )  # fmt: skip
    for difference in document["differences"]:
        assert repr(difference["text"]) in shown.out
