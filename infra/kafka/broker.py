"""Start, stop and disturb a Kafka cluster on this machine: `python -m infra.kafka.broker --help`.

Needs the standard library, Java and Maven (see `java.py`); `--sasl` needs `cryptography` too.
"""

import argparse
import sys
from pathlib import Path

from infra.kafka import cluster, java, settings
from infra.kafka.cluster import Cluster
from infra.kafka.java import BrokerError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0 done, 1 nothing runs, 4 could not."""
    parser = argparse.ArgumentParser(prog="python -m infra.kafka.broker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start a cluster and wait until it is ready")
    start.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    start.add_argument("--port", type=int, default=settings.DEFAULT_PORT)
    start.add_argument("--sasl", action="store_true", help="listeners with passwords and TLS too")
    start.add_argument("--quick", action="store_true", help="start sooner, run slower: for tests")
    for name, text in (
        ("stop", "stop every cluster, or the one in --data"),
        ("status", "say what runs; status 1 when nothing does"),
    ):
        commands.add_parser(name, help=text)
    for name, text in (
        ("kill", "kill a node (SIGKILL)"),
        ("pause", "freeze a node (SIGSTOP)"),
        ("resume", "let a frozen node go on"),
        ("restart", "stop a node if it runs, and start it"),
    ):
        commands.add_parser(name, help=text).add_argument("node", type=int)
    commands.add_parser("guard", help="kill the cluster in --data when its owner is gone")
    for command in commands.choices.values():
        command.add_argument("--data", type=Path, help="directory of the cluster")
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except BrokerError as failure:
        print(failure, file=sys.stderr)
        return 4


def _run(given: argparse.Namespace) -> int:
    match given.command:
        case "start":
            return _start(given)
        case "stop":
            for each in _clusters(given.data):
                if each.running():
                    each.stop()
                    print(f"Stopped {each.home}.")
            return 0
        case "status":
            return _status(given.data)
        case "guard":
            cluster.guard(given.data)
            return 0
    found = [each for each in _clusters(given.data) if given.node in _numbers(each)]
    # A killed node belongs to the cluster of which the others run.
    found = [each for each in found if each.running()] or found
    if len(found) != 1:
        raise BrokerError(f"{len(found)} clusters have a node {given.node}: name one with --data.")
    actions = {
        "kill": found[0].kill,
        "pause": found[0].pause,
        "resume": found[0].resume,
        "restart": found[0].restart,
    }
    actions[given.command](given.node)
    return _status(found[0].home)


def _start(given: argparse.Namespace) -> int:
    name = f"{given.nodes}-node" + ("-sasl" if given.sasl else "")
    home = given.data or java.CACHE / name
    planned = Cluster.planned(
        home, nodes=given.nodes, port=given.port, sasl=given.sasl, quick=given.quick
    )
    if (known := Cluster.load(home)) is not None:
        # Records and passwords stay; ports are as asked now.
        if len(known.nodes) != given.nodes or bool(known.users) != given.sasl:
            raise BrokerError(f"{str(home)!r} holds another kind of cluster: choose --data.")
        planned = Cluster(home, known.identity, planned.nodes, known.users, given.quick)
        if known.running():
            print(f"Runs already: {known.bootstrap}")
            return 0
    planned.start()
    print(f"Kafka is ready on {planned.bootstrap}; logs and records are in {planned.home}.")
    if planned.users:
        print(f"With passwords: {planned.sasl_bootstrap}; with TLS too: {planned.tls_bootstrap}.")
        print(f"Users: {planned.home / 'cluster.json'}; authority: {planned.authority}.")
    stop = f"python -m infra.kafka.broker stop --data {home}" if given.data else "make kafka-stop"
    print(f"Stop it with `{stop}`.")
    return 0


def _status(data: Path | None) -> int:
    any_runs = False
    for each in _clusters(data):
        running = each.running()
        any_runs = any_runs or bool(running)
        states = [f"{n} {'runs' if n in running else 'stopped'}" for n in _numbers(each)]
        print(f"{each.home}: {each.bootstrap}; nodes: {', '.join(states)}")
    if not any_runs:
        print("No broker runs.")
    return 0 if any_runs else 1


def _clusters(data: Path | None) -> list[Cluster]:
    """The cluster in `data`, or all under the project's cache."""
    homes = [data] if data else sorted(path.parent for path in java.CACHE.glob("*/cluster.json"))
    found = [Cluster.load(home) for home in homes]
    return [each for each in found if each is not None]


def _numbers(each: Cluster) -> list[int]:
    return [node.number for node in each.nodes]


if __name__ == "__main__":
    sys.exit(main())
