"""Facts of a log on a cluster: copied there and back, read and replayed as on the embedded log."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from agents.commands.shared import LOG_NAME
from streams.copying import as_copied
from streams.topic_plan import Layout
from streams.topics import TOPIC_NAMES
from streams.transports import Log, Outgoing
from streams.transports.embedded import EmbeddedLog
from tests.kafka.places import InDirectory, OnCluster, Said, kappa, on, on_cluster, opened

pytestmark = pytest.mark.slow

HELPDESK = Path(__file__).parents[2] / "infra" / "demo" / "helpdesk.jsonl"
ROWS = 600
NOW = 1_790_000_000_000_000


@pytest.fixture
def cluster(bootstrap: str) -> OnCluster:
    return on_cluster(bootstrap)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> InDirectory:
    """The data directory that a simulation left."""
    data = tmp_path_factory.mktemp("facts") / "data"
    said = kappa("simulate", HELPDESK, "--limit", ROWS, "--data", data)
    assert said.status == 0, said.err
    return InDirectory(data)


@pytest.fixture(scope="module")
def copied(bootstrap: str, simulated: InDirectory) -> OnCluster:
    """The same log on a cluster."""
    made = on_cluster(bootstrap)
    said = kappa("copy", simulated.data, made.url)
    assert said.status == 0, said.err
    return made


async def by_place(log: Log) -> dict[tuple[str, int], list[Outgoing]]:
    """Return all records of a log by place, as they would be copied."""
    found: dict[tuple[str, int], list[Outgoing]] = {}
    async with log.walking(await log.first_offsets(TOPIC_NAMES)) as walks:
        for place, walk in walks.items():
            found[place] = [as_copied(record) async for record in walk]
    return found


def by_topic(found: dict[tuple[str, int], list[Outgoing]]) -> dict[str, list[Outgoing]]:
    made: dict[str, list[Outgoing]] = {topic: [] for topic in TOPIC_NAMES}
    for (topic, _), records in sorted(found.items()):
        made[topic] += records
    return made


# --- reading --------------------------------------------------------------------------------------

READERS: list[tuple[object, ...]] = [
    ("explain", "599", "--json"),
    ("explain", "599"),
    ("explain", "3", "--tenant", "default", "--json"),
    ("families", "list", "--json"),
    ("families", "list", "--stage", "live"),
    ("rejected", "list", "--json"),
    ("ledger", "--by-family", "--json"),
    ("ledger", "--by-family"),
    ("replay", "--json"),
    ("replay",),
    ("replay", "--from", "2026-01-07T00:00:00Z", "--to", "2026-01-08T12:00:00Z", "--json"),
]


@pytest.mark.parametrize("command", READERS, ids=lambda row: " ".join(map(str, row)))
def test_facts_are_the_same_on_both_sides(
    simulated: InDirectory, copied: OnCluster, command: tuple[object, ...]
) -> None:
    here, there = simulated.kappa(*command), copied.kappa(*command)
    assert (here.status, here.err) == (0, "")
    assert there == here
    assert here.out


def test_a_family_is_shown_the_same_on_both_sides(
    simulated: InDirectory, copied: OnCluster
) -> None:
    family = simulated.kappa("families", "list", "--json").json[0]["family"]
    command = ("families", "show", family, "--json")
    assert copied.kappa(*command) == simulated.kappa(*command)


def test_replay_against_another_registry_finds_the_same_differences(
    simulated: InDirectory, copied: OnCluster
) -> None:
    command = ("replay", "--against", "10", "--json")
    here, there = simulated.kappa(*command), copied.kappa(*command)
    assert (here.status, there.status) == (1, 1)
    assert len(here.json["differences"]) > 50
    assert all(row["reasons"] for row in here.json["differences"])

    def in_order(said: Said) -> list[Any]:
        return sorted(said.json["differences"], key=lambda row: int(row["utterance_id"]))

    assert in_order(here) == in_order(there)


WRONG: list[tuple[str, tuple[object, ...], int, str]] = [
    ("no-such-utterance", ("explain", "no-such"), 1, "no utterance 'no-such'"),
    ("no-such-family", ("families", "show", "no-such"), 1, "no family 'no-such'"),
    ("an-offset-of-which-partition", ("replay", "--from", "offset:5"), 2, "needs --partition"),
    ("no-such-partition", ("replay", "--partition", "3"), 2, "it has 0 to 2"),
    ("no-such-registry", ("replay", "--against", "999"), 2, "no registry 999"),
    (
        "backwards",
        ("replay", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"),
        2,
        "ends before it begins",
    ),
    ("both-logs", ("replay", "--data", "x"), 2, "either --data DIR or --kafka HOST:PORT"),
]


@pytest.mark.parametrize(
    ("name", "command", "status", "problem"), WRONG, ids=[row[0] for row in WRONG]
)
def test_wrong_use_is_one_sentence(
    copied: OnCluster, name: str, command: tuple[object, ...], status: int, problem: str
) -> None:
    said = copied.kappa(*command)
    assert (said.status, said.out) == (status, "")
    assert problem in said.err
    assert said.err.count("\n") == 1


COMMANDS: list[tuple[object, ...]] = [
    ("explain", "1"), ("families", "list"), ("families", "show", "f"), ("replay",),
    ("rejected", "list"), ("rejected", "replay", "utterances/0/0"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda row: " ".join(map(str, row)))
def test_an_unreachable_cluster_is_exit_status_4(command: tuple[object, ...]) -> None:
    said = kappa(*command, "--kafka", "127.0.0.1:9")
    assert (said.status, said.out) == (4, "")
    assert said.err.startswith("kappa: 127.0.0.1:9 does not answer")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda row: " ".join(map(str, row)))
def test_missing_topics_are_exit_status_2(bootstrap: str, command: tuple[object, ...]) -> None:
    said = kappa(*command, "--kafka", bootstrap, prefix=f"none{uuid.uuid4().hex[:8]}.")
    assert (said.status, said.out) == (2, "")
    assert "kappa topics apply" in said.err


# --- copying --------------------------------------------------------------------------------------


def test_a_copy_has_every_record_in_the_order_of_its_key_and_partition(
    simulated: InDirectory, copied: OnCluster
) -> None:
    here, there = on(simulated, by_place), on(copied, by_place)
    assert len(there) > len(here)
    topics = by_topic(here)
    assert sum(map(len, topics.values())) > 3 * ROWS
    for topic, records in by_topic(there).items():
        assert sorted(records, key=repr) == sorted(topics[topic], key=repr)
    for (topic, _), records in there.items():
        kept = [record for record in topics[topic] if record in records]
        assert records == kept
    assert all(len(there["utterances", partition]) > ROWS / 6 for partition in range(3))


def test_a_log_that_was_copied_there_and_back_is_the_same(
    simulated: InDirectory, copied: OnCluster, tmp_path: Path
) -> None:
    back = InDirectory(tmp_path / "back")
    said = kappa("copy", copied.url, back.data, "--json")
    assert said.status == 0, said.err
    assert sum(said.json["appended"].values()) > 3 * ROWS
    first, second = on(simulated, by_place), on(back, by_place)
    for place, records in first.items():
        assert sorted(second[place], key=repr) == sorted(records, key=repr)
    for command in READERS:
        assert back.kappa(*command) == simulated.kappa(*command)


def test_a_second_run_appends_only_what_is_missing(
    simulated: InDirectory, cluster: OnCluster, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    total = on(simulated, lambda log: _head_into(log, part, 700))
    first = kappa("copy", part, cluster.url, "--json").json
    assert sum(first["appended"].values()) == 700
    again = kappa("copy", part, cluster.url)
    assert (again.status, again.out) == (0, "0 records copied, 700 were there\n")
    rest = kappa("copy", simulated.data, cluster.url)
    assert (rest.status, rest.out) == (0, f"{total - 700} records copied, 700 were there\n")
    back = InDirectory(tmp_path / "back")
    for given in (simulated.data, cluster.url, cluster.url):
        said = kappa("copy", given, back.data)
        assert said.status == 0, said.err
    assert said.out == f"0 records copied, {total} were there\n"


async def _head_into(log: Log, directory: Path, count: int) -> int:
    """Put the first records of a log into a new one; return how many there are in all."""
    directory.mkdir()
    into, total = EmbeddedLog.open(directory / LOG_NAME), 0
    async for record in log.scan(TOPIC_NAMES):
        if total < count:
            await into.publish([as_copied(record)])
        total += 1
    await into.close()
    return total


def test_a_target_that_holds_other_records_is_refused_and_left(
    simulated: InDirectory, cluster: OnCluster, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    kappa("simulate", HELPDESK, "--limit", 20, "--seed", "other", "--data", other)
    asyncio.run(_drop_first(other, cluster))
    before = on(cluster, by_place)
    said = kappa("copy", simulated.data, cluster.url)
    assert (said.status, said.out) == (1, "")
    assert "the target holds other records: utterances/" in said.err
    assert on(cluster, by_place) == before


async def _drop_first(data: Path, cluster: OnCluster) -> None:
    """Put all but the first utterance of a log onto the cluster."""
    async with opened(InDirectory(data)) as log, opened(cluster) as into:
        records = [as_copied(record) async for record in log.scan(("utterances",))]
        await into.publish(records[1:])


def test_what_a_cluster_would_delete_for_its_age_is_refused(
    bootstrap: str, simulated: InDirectory
) -> None:
    young = on_cluster(bootstrap, Layout(partitions=1, replication=1, retention_days=30))
    said = kappa("copy", simulated.data, young.url)
    assert said.status == 1
    assert "keeps records for 30 days" in said.err
    assert "KAPPA_RETENTION_DAYS" in said.err
    assert not any(on(young, by_place).values())


def test_groups_go_on_where_they_were(
    simulated: InDirectory, copied: OnCluster, tmp_path: Path
) -> None:
    groups = ("matcher", "fallback", "distiller", "auditor")

    async def waiting(log: Log) -> dict[str, int]:
        return {group: await _unread(log, group) for group in groups}

    here = on(simulated, waiting)
    assert set(here.values()) == {0}
    assert on(copied, waiting) == here
    back = InDirectory(tmp_path / "back")
    kappa("copy", copied.url, back.data)
    assert on(back, waiting) == here


async def _unread(log: Log, group: str) -> int:
    positions = await log.positions(group)
    assert positions
    topics = sorted({topic for topic, _ in positions})
    return sum(end - positions.get(place, 0) for place, end in (await log.ends(topics)).items())


def test_a_group_that_lags_reads_no_record_that_it_has_read_into_a_cluster(
    cluster: OnCluster, tmp_path: Path
) -> None:
    data = tmp_path / "lagging"
    asyncio.run(_lagging(data))
    assert kappa("copy", data, cluster.url).status == 0

    async def read(log: Log) -> tuple[set[bytes], set[bytes]]:
        positions, known, new = await log.positions("matcher"), set(), set()
        async for record in log.scan(("utterances",)):
            is_read = record.offset < positions.get((record.topic, record.partition), 0)
            (known if is_read else new).add(record.value)
        return known, new

    known, new = on(cluster, read)
    assert known == {b"%d" % n for n in range(40)}
    assert new == {b"%d" % n for n in range(40, 100)}
    back = InDirectory(tmp_path / "back")
    said = kappa("copy", cluster.url, back.data)
    assert said.status == 0
    assert on(back, read) == (known, new)


async def _lagging(data: Path) -> None:
    data.mkdir()
    log = EmbeddedLog.open(data / LOG_NAME)
    made = [Outgoing("utterances", f"k{n}", (), b"%d" % n, NOW + n * 1000) for n in range(100)]
    await log.publish(made)
    await log.publish((), group="matcher", positions={"utterances": 40})
    await log.close()


def test_a_group_at_work_is_not_moved(cluster: OnCluster, tmp_path: Path) -> None:
    asyncio.run(_lagging(tmp_path / "data"))

    async def while_at_work(log: Log) -> Said:
        member = await log.subscribe("matcher", ("utterances",))
        async with asyncio.timeout(30):
            while not member.is_assigned:
                await member.poll(1)
        copying = ("copy", tmp_path / "data", cluster.url)
        return await asyncio.to_thread(kappa, *copying)

    said = on(cluster, while_at_work)
    assert (said.status, said.out) == (2, "")
    assert "stop its agents first" in said.err
    done = kappa("copy", tmp_path / "data", cluster.url)
    assert (done.status, done.out) == (0, "0 records copied, 100 were there\n")


# --- what the source has deleted ------------------------------------------------------------------


async def _delete(cluster: OnCluster, topic: str, keep: int) -> None:
    """Delete all but the last records of each partition of a topic, as retention does."""
    connection = cluster.connection
    async with opened(cluster) as log:
        ends = await log.ends((topic,))
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()
    try:
        await admin.delete_records(
            {
                TopicPartition(connection.named(topic), number): RecordsToDelete(max(0, end - keep))
                for (_, number), end in ends.items()
            }
        )
    finally:
        await admin.close()


def test_a_copy_keeps_what_its_source_deletes(
    simulated: InDirectory, cluster: OnCluster, tmp_path: Path
) -> None:
    archive = InDirectory(tmp_path / "archive")
    kappa("copy", simulated.data, cluster.url)
    kappa("copy", cluster.url, archive.data)
    before = by_topic(on(archive, by_place))
    asyncio.run(_delete(cluster, "utterances", keep=20))
    new = Outgoing("utterances", "new", (), b"new", NOW)
    on(cluster, lambda log: log.publish([new]))
    again = kappa("copy", cluster.url, archive.data, "--json")
    assert (again.status, again.json["appended"]) == (0, {"utterances": 1}), again.err
    after = by_topic(on(archive, by_place))
    assert after["utterances"] == [*before["utterances"], new]
    asyncio.run(_delete(cluster, "utterances", keep=0))
    on(cluster, lambda log: log.publish([new._replace(value=b"%d" % n) for n in range(9)]))
    gap = kappa("copy", cluster.url, archive.data)
    assert gap.status == 1
    assert "what followed on it is deleted in the source" in gap.err


def test_a_decision_whose_utterance_retention_has_taken_is_not_judged(
    simulated: InDirectory, cluster: OnCluster
) -> None:
    kappa("copy", simulated.data, cluster.url)
    asyncio.run(_delete(cluster, "utterances", keep=50))
    said = cluster.kappa("replay", "--json")
    gone = {"its utterance is not in the log, or no longer": ROWS - 150}
    assert (said.status, said.json["not_judged"], said.json["identical"]) == (3, gone, 150)
    asyncio.run(_delete(cluster, "matches", keep=0))
    left = cluster.kappa("replay", "--json").json
    assert left["without_decision"] + left["identical"] == 150
    assert left["without_decision"] > 0


# --- wrong use ------------------------------------------------------------------------------------

BAD_COPIES: list[tuple[str, str, str, int, str]] = [
    ("no-such-directory", "no-such", "{url}", 2, "no log here"),
    ("no-port", "kafka://host", "x", 2, "is not HOST:PORT"),
    ("itself", "{url}", "{url}", 2, "are one log"),
    ("nobody-there", "kafka://127.0.0.1:9", "x", 4, "does not answer"),
]


@pytest.mark.parametrize(
    ("name", "origin", "target", "status", "problem"),
    BAD_COPIES,
    ids=[row[0] for row in BAD_COPIES],
)
def test_a_copy_that_cannot_be_is_one_sentence(
    cluster: OnCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    origin: str,
    target: str,
    status: int,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = kappa("copy", origin.format(url=cluster.url), target.format(url=cluster.url))
    assert (said.status, said.out) == (status, "")
    assert problem in said.err
