"""`kappa up` as a process: it learns, forgets nothing when killed, and is replaced by nobody."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.codec import decode
from streams.events import AnswerGiven, CompletionGiven, CompletionRefused, UtteranceAsked
from streams.transports.embedded import EmbeddedLog

DEADLINE = 30.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return what the condition returns as soon as it is true; fail after the deadline."""
    end = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {DEADLINE} s: {what}"
        time.sleep(0.02)  # between two polls
    return found


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "agents", *map(str, arguments)]


def kappa(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, check=False
    )


@dataclass
class Up:
    """A running service and a client of it."""

    process: subprocess.Popen[bytes]
    data: Path
    client: httpx.Client

    def ask(self, text: str, **more: Any) -> dict[str, Any]:
        response = self.client.post("/ask?wait=30", json={"text": text} | more)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def reject(self, utterance_id: str, **more: Any) -> None:
        body = {"utterance_id": utterance_id, "verdict": "reject", "source": "operator"} | more
        assert self.client.post("/feedback", json=body).status_code == 202

    def explain(self, utterance_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/explain/{utterance_id}").json())

    def families(self) -> list[dict[str, Any]]:
        return list(self.client.get("/families").json())

    def settled(self) -> None:
        """Wait until nothing waits for a node."""
        until(lambda: self.client.get("/ready").json()["lag"] == 0, "all is read")

    def learner(self) -> int:
        """Return the process that learns beside the service, as soon as it runs."""
        return int(until(lambda: child_of(self.process.pid), "a learner runs"))

    def taught(self, numbers: range) -> dict[str, Any]:
        """Ask for conversions until a family answers one; return that answer."""
        for n in numbers:
            answer = self.ask(f"convert {n} minutes to seconds")
            if answer["origin"] == "family":
                assert answer["answer"] == str(n * 60)
                return answer
            self.settled()
        raise AssertionError("no family answers")


def child_of(pid: int) -> int | None:
    """Return the living child of a process, if it has one."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        except OSError:  # it has ended meanwhile
            continue
        if fields["PPid"] == str(pid) and not fields["State"].startswith("Z"):
            return int(status.parent.name)
    return None


@contextmanager
def up(data: Path, *options: object, limit: int | None = None) -> Iterator[Up]:
    """Run the service until the block ends, then end it with SIGTERM if it still runs.

    `limit` is the size in bytes beyond which no file may grow, as on a full disk; what the service
    then says is in the file `said`.
    """
    endpoint = data / "endpoint"
    endpoint.unlink(missing_ok=True)
    arguments = command("up", "--data", data, "--port", 0, *options)
    if limit is not None:
        shell = f'ulimit -f {limit // 1024} && exec "$@" 2>{data / "said"}'
        arguments = ["bash", "-c", shell, "bash", *arguments]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        try:
            url = until(
                lambda: process.poll() is not None or (endpoint.exists() and endpoint.read_text()),
                "the service is up",
            )
            assert process.poll() is None
            with httpx.Client(base_url=url.strip(), timeout=60) as client:
                yield Up(process, data, client)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


@pytest.mark.slow
def test_it_learns_explains_and_is_corrected_without_a_restart(tmp_path: Path) -> None:
    with up(tmp_path, "--audit-rate", 0) as service:
        first = service.ask("convert 5 minutes to seconds")
        assert (first["answer"], first["origin"], first["hat"]) == ("300", "fallback", True)
        answer = service.taught(range(11, 21))
        explained = service.explain(answer["utterance_id"])
        assert (explained["family"], explained["outcome"]) == (answer["family"], "answered")
        assert "minutes to seconds" in explained["grammar"]
        assert explained["slots"][0]["kind"] == "integer"
        assert [row["stage"] for row in service.families()].count("live") == 1
        wrong = service.ask("convert 30 minutes to seconds")
        service.reject(wrong["utterance_id"], correction="half an hour")
        service.settled()
        assert service.explain(wrong["utterance_id"])["feedback"][0]["verdict"] == "reject"
        assert [row["stage"] for row in service.families()].count("live") == 0
        answer = service.taught(range(101, 116))
        assert answer["version"] == 2
        assert service.ask("convert 30 minutes to seconds")["answer"] == "half an hour"


@pytest.mark.slow
def test_the_commands_talk_to_the_service(tmp_path: Path) -> None:
    with up(tmp_path, "--audit-rate", 0) as service:
        answer = service.taught(range(11, 31))
        data = ("--data", tmp_path)
        asked = kappa("ask", "convert 77 minutes to seconds", *data)
        assert (asked.returncode, asked.stdout) == (0, "4620\n")
        assert f"by {answer['family']}@1" in asked.stderr
        assert kappa("ask", "tell me a story", *data).returncode == 1
        shown = kappa("ask", "convert 78 minutes to seconds", "--json", *data)
        utterance_id = json.loads(shown.stdout)["utterance_id"]
        assert answer["family"] in kappa("explain", utterance_id, *data).stdout
        assert kappa("feedback", utterance_id, "accept", *data).stdout == "stored\n"
        assert kappa("feedback", "no-such", "accept", *data).returncode == 1
        second = kappa("up", "--port", 0, *data)
        assert second.returncode == 2
        assert f"process {service.process.pid}" in second.stderr
        assert service.ask("convert 79 minutes to seconds")["answer"] == "4740"
        assert kappa("replay", *data).returncode == 0
    assert service.process.returncode == 0
    assert not (tmp_path / "endpoint").exists()
    assert (tmp_path / "kappa.db.lock").read_text().startswith("closed ")
    nobody = kappa("ask", "anything", *data)
    assert (nobody.returncode, "no service runs here" in nobody.stderr) == (4, True)
    (tmp_path / "endpoint").write_text("http://127.0.0.1:9\n")
    assert kappa("ask", "anything", *data).returncode == 4


BODIES: list[tuple[str, str, bytes, int, str]] = [
    ("empty", "/ask", b"", 400, "body"),
    ("not-json", "/ask", b"{", 400, "JSON"),
    ("not-utf-8", "/ask", b'{"text": "\xff"}', 400, ""),
    ("no-text", "/ask", b"{}", 400, "text"),
    ("text-is-no-string", "/ask", b'{"text": 5}', 400, "text"),
    ("unknown-field", "/ask", b'{"text": "a", "txet": "b"}', 400, "txet"),
    ("half-a-pair", "/ask", b'{"text": "\\ud800"}', 400, ""),
    ("empty-tenant", "/ask", b'{"text": "a", "tenant": ""}', 400, "tenant"),
    ("wait-is-no-number", "/ask?wait=soon", b'{"text": "a"}', 400, "wait"),
    ("wait-is-nan", "/ask?wait=nan", b'{"text": "a"}', 400, "wait"),
    ("wait-too-long", "/ask?wait=61", b'{"text": "a"}', 400, "60"),
    ("too-long", "/ask", b'{"text": "' + b"a" * 300_000 + b'"}', 413, "262144"),
    ("no-verdict", "/feedback", b'{"utterance_id": "u"}', 400, "verdict"),
    ("odd-verdict", "/feedback", b'{"utterance_id": "u", "verdict": "so"}', 400, "verdict"),
    ("neither-id-nor-reference", "/feedback", b'{"verdict": "accept"}', 400, "answer_ref"),
    ("no-reference", "/feedback", b'{"answer_ref": "x", "verdict": "accept"}', 400, "no reference"),
    ("unknown-answer", "/feedback", b'{"utterance_id": "u", "verdict": "accept"}', 404, "'u'"),
    ("feedback-too-long", "/feedback", b" " * 300_000, 413, "262144"),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with up(tmp_path_factory.mktemp("service"), "--audit-rate", 1) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "path", "body", "status", "problem"), BODIES, ids=[row[0] for row in BODIES]
)
def test_bad_requests_are_told_what_is_wrong(
    service: Up, name: str, path: str, body: bytes, status: int, problem: str
) -> None:
    response = service.client.post(path, content=body)
    assert response.status_code == status, response.text
    assert problem in response.json()["error"]


def test_what_does_not_exist_is_not_found(service: Up) -> None:
    assert service.client.get("/explain/no-such").status_code == 404
    assert service.client.get("/nothing").status_code == 404
    assert service.client.get("/ask").status_code == 405


def test_live_and_ready(service: Up) -> None:
    assert service.client.get("/live").json() == {"live": True, "stalled": []}
    service.settled()
    assert service.client.get("/ready").json() == {"ready": True, "lag": 0}
    assert service.client.get("/started").json() == {"started": True, "missing": []}


def test_what_is_done_is_measured(service: Up) -> None:
    service.ask("nobody will ever know this")
    scraped = service.client.get("/metrics")
    assert scraped.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in ('kappa_records_total{node="matcher",topic="utterances"} ',
                 'kappa_outcomes_total{outcome="miss"} ', 'kappa_lag{node="matcher",',
                 'kappa_teacher_calls_total{outcome="refused",teacher="demo"} '):  # fmt: skip
        assert line in scraped.text


def test_what_the_service_writes_is_signed_with_the_key_of_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = kappa("keys", "generate", tmp_path / "key").stdout.strip()
    monkeypatch.setenv("KAPPA_SIGNING_KEY_FILE", str(tmp_path / "key"))
    with up(tmp_path, "--audit-rate", 0) as service:
        service.taught(range(200, 240))
        service.settled()
        (row,) = service.families()
        assert row["stage"] == "live"
    monkeypatch.delenv("KAPPA_SIGNING_KEY_FILE")
    monkeypatch.setenv("KAPPA_VERIFY_KEYS", public)
    listed = kappa("families", "list", "--data", tmp_path, "--json")
    assert [found["stage"] for found in json.loads(listed.stdout)] == ["live"]
    monkeypatch.setenv("KAPPA_VERIFY_KEYS", kappa("keys", "generate", tmp_path / "2").stdout)
    listed = kappa("families", "list", "--data", tmp_path, "--json")
    assert json.loads(listed.stdout) == []
    assert "2 change sets were passed over" in listed.stderr


def test_a_text_that_nobody_knows_is_refused_by_the_teacher(service: Up) -> None:
    for text in ("tell me a story", "", "x" * 5000, "\u202e\x00\x1b", "7" * 10_000):
        answer = service.ask(text)
        assert answer["outcome"] == "refused"
        assert answer["reason"]


def test_asking_twice_with_one_id_is_asking_once(service: Up) -> None:
    first = service.ask("convert 5 minutes to seconds", utterance_id="once")
    assert service.ask("convert 6 minutes to seconds", utterance_id="once") == first
    other = service.ask("convert 6 minutes to seconds", utterance_id="once", tenant="other")
    assert other["answer"] == "360"


def test_a_response_has_the_headers_by_which_its_client_knows_it(service: Up) -> None:
    body = {"text": "convert 5 minutes to seconds", "utterance_id": "echoed"}
    headers = {"correlation-id": "c-7", "reply-topic": "mine", "cookie": "secret"}
    response = service.client.post("/ask?wait=30", json=body, headers=headers)
    assert (response.headers["correlation-id"], response.headers["reply-topic"]) == ("c-7", "mine")
    assert "cookie" not in response.headers


def test_an_id_may_hold_any_character(service: Up) -> None:
    for utterance_id in ("a/b", "a b?c#d", "../up", "é\u202e"):
        service.ask("convert 5 minutes to seconds", utterance_id=utterance_id)
        quoted = urllib.parse.quote(utterance_id, safe="")
        assert service.explain(quoted)["utterance_id"] == utterance_id


def test_feedback_on_what_a_teacher_said_is_not_found(service: Up) -> None:
    service.ask("convert 5 minutes to seconds", utterance_id="teacher", tenant="new")
    body = {"utterance_id": "teacher", "tenant": "new", "verdict": "reject", "source": "operator"}
    assert service.client.post("/feedback", json=body).status_code == 404


def test_huge_corrections_stop_nobody(tmp_path: Path) -> None:
    """Each is within the limits of a body, and too large to become part of a program."""
    with up(tmp_path, "--audit-rate", 0) as service:
        family = service.taught(range(200, 240))["family"]
        asked = [service.ask(f"convert {n} minutes to seconds") for n in range(300, 312)]
        assert {answer["origin"] for answer in asked} == {"family"}
        for answer in asked:
            service.reject(answer["utterance_id"], correction="x" * 200_000)
        service.settled()
        assert service.client.get("/live").json() == {"live": True, "stalled": []}
        stages = {row["stage"] for row in service.families() if row["family"] == family}
        assert "live" not in stages
        assert service.ask("convert 5 minutes to seconds")["answer"] == "300"


def test_two_may_wait_for_one_utterance(service: Up) -> None:
    async def both() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=service.client.base_url, timeout=60) as client:
            body = {"text": "convert 8 minutes to seconds", "utterance_id": "both"}
            waits = [client.post(f"/ask?wait={wait}", json=body) for wait in (0, 30, 30)]
            return list(await asyncio.gather(*waits))

    assert {r.json()["answer"] for r in asyncio.run(both()) if r.status_code == 200} == {"480"}


# --- killed at any moment -------------------------------------------------------------------------


@dataclass
class Flood:
    """Utterances that were put in, and those of which the service said that they are stored."""

    asked: int = 0
    acknowledged: set[str] = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        self.acknowledged = set()

    async def flow(
        self, service: Up, count: int, victim: Callable[[], int | None] | None = None
    ) -> None:
        """Ask until the service has ended, or until `count` more are acknowledged.

        Then the service is killed, or the `victim` if there is one.
        """
        target = len(self.acknowledged) + count
        is_over = False
        async with httpx.AsyncClient(base_url=service.client.base_url, timeout=30) as client:

            async def ask(number: int) -> None:
                body = {"text": f"convert {number} minutes to seconds", "utterance_id": str(number)}
                try:
                    response = await client.post(f"/ask?wait={number % 3 / 10}", json=body)
                except httpx.HTTPError:
                    return
                nonlocal is_over
                if response.status_code in (200, 202):
                    self.acknowledged.add(str(number))
                if len(self.acknowledged) >= target and service.process.poll() is None:
                    killed = service.process.pid if victim is None else victim()
                    if killed is not None and not is_over:
                        os.kill(killed, signal.SIGKILL)
                        is_over = True

            while service.process.poll() is None and not (is_over and victim):
                numbers = range(self.asked, self.asked + 6)
                self.asked += 6
                await asyncio.gather(*map(ask, numbers))


async def in_log(path: Path) -> tuple[Counter[str], Counter[str], int]:
    """Return how often each utterance was asked, and ended; and how many a family answered."""
    log = EmbeddedLog.open(path, read_only=True)
    asked: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    answered = 0
    for record in await log.read(("utterances", "matches", "completions"), 0, 1_000_000):
        event = decode(record)
        if isinstance(event, UtteranceAsked):
            asked[event.utterance_id] += 1
        if isinstance(event, AnswerGiven | CompletionGiven | CompletionRefused):
            ended[event.utterance_id] += 1
            answered += isinstance(event, AnswerGiven)
    await log.close()
    return asked, ended, answered


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    flood = Flood()
    for count in (1, 7, 12, 20, 33):
        with up(tmp_path) as service:
            if count >= 20:  # the learner comes later than the first answers
                service.settled()
            asyncio.run(flood.flow(service, count))
            assert service.process.wait(20) == -signal.SIGKILL
        asked, _, _ = asyncio.run(in_log(tmp_path / "kappa.db"))
        assert flood.acknowledged <= set(asked)
    with up(tmp_path) as service:
        service.settled()
        assert service.ask("convert 5000 minutes to seconds")["answer"] == "300000"
        for utterance_id in sorted(flood.acknowledged)[:5]:
            assert service.explain(utterance_id)["outcome"]
    asked, ended, answered = asyncio.run(in_log(tmp_path / "kappa.db"))
    assert answered > 20
    assert len(flood.acknowledged) > 60
    assert set(asked.values()) == {1}
    assert ended == asked
    assert kappa("replay", "--data", tmp_path).returncode == 0


@pytest.mark.slow
def test_a_kill_of_the_learner_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    flood = Flood()
    with up(tmp_path) as service:
        for count in (1, 9, 15, 30):
            if count > 9:  # killed while it learns; else while it begins
                service.settled()
            victim = service.learner()
            asyncio.run(flood.flow(service, count, lambda: child_of(service.process.pid)))
            until(lambda: child_of(service.process.pid) != victim, "it was killed")  # noqa: B023  # called at once
            assert service.client.get("/live").status_code == 200
            n = flood.asked
            assert service.ask(f"convert {n} minutes to seconds")["answer"] == str(n * 60)
        service.settled()
        service.taught(range(3000, 3020))
        service.settled()
        assert service.client.get("/ready").json() == {"ready": True, "lag": 0}
    asked, ended, answered = asyncio.run(in_log(tmp_path / "kappa.db"))
    assert answered > 20
    assert flood.acknowledged <= set(asked)
    assert set(asked.values()) == {1}
    assert ended == asked
    assert kappa("replay", "--data", tmp_path).returncode == 0


@pytest.mark.slow
def test_a_killed_learner_is_told_of_until_the_next_one_is_ready(tmp_path: Path) -> None:
    with up(tmp_path) as service:
        os.kill(service.learner(), signal.SIGSTOP)  # from now on nothing is learned
        for n in range(20):
            assert service.ask(f"convert {n} minutes to seconds")["origin"] == "fallback"
        assert service.families() == []
        os.kill(service.learner(), signal.SIGKILL)
        told = until(
            lambda: service.client.get("/ready").json().get("learning"), "the end is told of"
        )
        assert told == "the learner has ended, exit status -9; it starts again in 1 s"
        assert service.client.get("/live").json() == {"live": True, "stalled": [], "learning": told}
        until(lambda: "learning" not in service.client.get("/ready").json(), "the next is ready")
        service.settled()
        assert service.taught(range(100, 130))


@pytest.mark.slow
def test_a_learner_ends_with_its_service(tmp_path: Path) -> None:
    for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with up(tmp_path) as service:
            learner = service.learner()
            if end is signal.SIGKILL:
                service.settled()
            os.kill(service.process.pid, end)
            service.process.wait(20)
            until(lambda: not Path(f"/proc/{learner}").exists(), "the learner has ended")  # noqa: B023  # called at once
    assert (tmp_path / "kappa.db.lock").read_text().startswith("closed ")


# --- a full disk ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_a_full_disk_the_service_says_so_and_ends_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    flood = Flood()
    with up(tmp_path, limit=3 * 1024 * 1024) as service:
        asyncio.run(flood.flow(service, 1_000_000))
        assert service.process.wait(20) == 4
    said = (tmp_path / "said").read_text().splitlines()
    assert [line for line in said if line.startswith(f"kappa: {tmp_path}")] == [
        f"kappa: {tmp_path}/kappa.db: disk I/O error; check the disk, then start again"
    ], said
    assert not any("Traceback" in line for line in said)
    assert len(flood.acknowledged) > 20
    asked, _, _ = asyncio.run(in_log(tmp_path / "kappa.db"))
    assert flood.acknowledged <= set(asked)
    with up(tmp_path) as service:
        service.settled()
        assert service.ask("convert 5000 minutes to seconds")["answer"] == "300000"
    asked, ended, _ = asyncio.run(in_log(tmp_path / "kappa.db"))
    assert set(asked.values()) == {1}
    assert ended == asked
