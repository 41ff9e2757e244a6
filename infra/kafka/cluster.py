"""A Kafka cluster on this machine: one node or three, started, stopped, killed, frozen.

A cluster is a directory. What it is stands in `cluster.json`, what runs in `node-N/pid`, so any
process can go on where another stopped: `make kafka-stop`, or the last of several test workers.
Brokers run in sessions of their own, are nobody's children (no zombies, no Ctrl-C), and with an
*owner* a guard kills them when that process is gone, however it went.
"""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from infra.kafka import certificate, java, settings, wire
from infra.kafka.java import BrokerError, StartFailed
from infra.kafka.settings import Node, User

READY_LIMIT_S = 90.0
STOP_LIMIT_S = RULE_LIMIT_S = 10.0
_TICK_S = 0.05
_LAST_LINES = 15
_OPTIONS = ("-XX:+UseSerialGC", "-Dlog4j2.level=WARN")
_MEGABYTES = {1: 512, 3: 384}
# Started by a shell that leaves at once: the process in the background is nobody's child.
_DETACH = 'log="$1"; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'


@dataclass(frozen=True, slots=True)
class Cluster:
    """A planned or running cluster; all that changes is on disk and in the processes.

    `quick` starts a second faster and runs slower: for tests, not for measurements.
    """

    home: Path
    identity: str
    nodes: tuple[Node, ...]
    users: tuple[User, ...] = ()
    quick: bool = False

    @classmethod
    def planned(
        cls,
        home: Path,
        *,
        nodes: int = 1,
        port: int | None = None,
        sasl: bool = False,
        quick: bool = False,
    ) -> Self:
        """A cluster to be started in `home`, from `port` on, or on free ports."""
        if nodes not in _MEGABYTES:
            raise BrokerError(f"A cluster has 1 or 3 nodes, not {nodes}.")
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        return cls(
            home.resolve(),
            # An identity that begins with a dash would be read as an option.
            "k" + identity[1:],
            settings.planned_nodes(nodes, port, sasl=sasl),
            settings.new_users() if sasl else (),
            quick,
        )

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """The cluster in `home`, or None when there is none."""
        try:
            fields = json.loads((home / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        return cls(
            home.resolve(),
            fields["identity"],
            tuple(Node(**node) for node in fields["nodes"]),
            tuple(User(**user) for user in fields["users"]),
            fields["quick"],
        )

    @property
    def bootstrap(self) -> str:
        """Where clients without password connect: 'host:port,host:port'."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def sasl_bootstrap(self) -> str:
        """Where clients with a password and without TLS connect (PLAIN or SCRAM-SHA-512)."""
        return ",".join(f"127.0.0.1:{node.sasl_port}" for node in self.nodes)

    @property
    def tls_bootstrap(self) -> str:
        """Where clients with a password and TLS connect (PLAIN or SCRAM-SHA-512)."""
        return ",".join(f"127.0.0.1:{node.tls_port}" for node in self.nodes)

    @property
    def authority(self) -> Path:
        """The PEM file of the authority that clients with TLS trust."""
        return self.home / "authority.pem"

    def user(self, name: str) -> User:
        """The user of that name."""
        return next(user for user in self.users if user.name == name)

    def running(self) -> tuple[int, ...]:
        """The numbers of the nodes whose processes live; a frozen one lives."""
        return tuple(node.number for node in self.nodes if self._pid(node.number))

    def start(self, *, owner: int | None = None) -> None:
        """Start all nodes, formatting them the first time, and wait until they are ready.

        With `owner`, a process id, the cluster is killed when that process is gone.
        """
        if self.running():
            raise StartFailed(f"A cluster runs already in {str(self.home)!r}.")
        for port in self._ports():
            if not settings.is_free(port):
                raise StartFailed(f"Port {port} is taken; stop its program or choose another.")
        program, jars = java.runtime(), java.jars()
        self._write()
        try:
            if owner is not None:
                self._guard(owner)
            self._format(program, jars)
            for node in self.nodes:
                self._launch(node.number, program, jars)
            self.wait_ready()
        except BaseException:
            self.stop(patience_s=0)
            raise

    def wait_ready(self, nodes: tuple[int, ...] | None = None) -> None:
        """Wait until these nodes (all when None) know each other and every coordinator is there."""
        ports = {
            node.number: node.port for node in self.nodes if nodes is None or node.number in nodes
        }
        deadline = time.monotonic() + READY_LIMIT_S
        while lacking := wire.missing(ports):
            if dead := set(ports) - set(self.running()):
                raise StartFailed(f"Node {min(dead)} ended.\n{self._log_end(min(dead))}")
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"Not ready: {lacking}; the limit is {READY_LIMIT_S:.0f} s.\n"
                    + self._log_end(min(ports))
                )
            time.sleep(_TICK_S)

    def stop(self, *, patience_s: float = STOP_LIMIT_S) -> None:
        """Stop every node in turn; kill those that do not end within `patience_s` seconds.

        The last of three finds no quorum and never ends by itself, so it gets three seconds.
        """
        (self.home / "owner").unlink(missing_ok=True)
        left = list(self.running())
        for number in self.running():
            last_of_many = len(self.nodes) > 1 and left == [number]
            self._end(number, min(3.0, patience_s) if last_of_many else patience_s)
            left.remove(number)

    def remove(self) -> None:
        """Stop the cluster at once and delete its directory."""
        self.stop(patience_s=0)
        shutil.rmtree(self.home, ignore_errors=True)

    def kill(self, number: int) -> None:
        """Kill a node (SIGKILL) and wait until it is gone."""
        self._end(number, 0)

    def pause(self, number: int) -> None:
        """Freeze a node (SIGSTOP): its connections stay open and nothing answers."""
        self._signal(number, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let a frozen node go on."""
        self._signal(number, signal.SIGCONT)

    def restart(self, number: int) -> None:
        """Stop a node if it runs, start it, and wait until all that run are ready."""
        if number in self.running():
            self._end(number, STOP_LIMIT_S)
        self._launch(number, java.runtime(), java.jars())
        self.wait_ready(self.running())

    def allow(self, rule: wire.Rule) -> None:
        """Make an access rule and wait until every running node follows it."""
        ports = [node.port for node in self.nodes if node.number in self.running()]
        wire.add_rule(ports[0], rule)
        if not _within(RULE_LIMIT_S, lambda: all(wire.has_rule(port, rule) for port in ports)):
            raise BrokerError(f"{rule} is not followed after {RULE_LIMIT_S:.0f} s.")

    def _ports(self) -> list[int]:
        return [
            port
            for node in self.nodes
            for port in (node.port, node.controller_port, node.sasl_port, node.tls_port)
            if port is not None
        ]

    def _directory(self, number: int) -> Path:
        return self.home / f"node-{number}"

    def _write(self) -> None:
        """Write what the cluster is, its certificate, and the properties of its nodes."""
        keystore = self.home / "keystore.pem"
        self.home.mkdir(parents=True, exist_ok=True)
        if self.users:
            certificate.write_certificate(self.authority, keystore)
        _write_private(self.home / "cluster.json", json.dumps({**asdict(self), "home": None}))
        for node in self.nodes:
            directory = self._directory(node.number)
            directory.mkdir(exist_ok=True)
            text = settings.properties(
                node, self.nodes, self.users, directory / "records", keystore
            )
            _write_private(directory / "server.properties", text)

    def _format(self, program: Path, jars: Path) -> None:
        """Format the directories of records that are not formatted yet, side by side."""
        passwords = []
        for user in self.users:
            scram = f"SCRAM-SHA-512=[name={user.name},password={user.password}]"
            passwords += ["--add-scram", scram]
        running = []
        for node in self.nodes:
            directory = self._directory(node.number)
            properties = str(directory / "server.properties")
            if (directory / "records" / "meta.properties").exists():
                continue
            command = [str(program), "-XX:TieredStopAtLevel=1", *_OPTIONS, "-cp", f"{jars}/*"]
            command += ["kafka.tools.StorageTool", "format", "-t", self.identity]
            command += ["-c", properties, *passwords]
            with (directory / "log").open("a") as log:
                running.append(
                    subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
                )
        ended = [process.wait() for process in running]
        if any(ended):
            raise StartFailed(f"A node could not be formatted.\n{self._log_end(1)}")

    def _launch(self, number: int, program: Path, jars: Path) -> None:
        directory = self._directory(number)
        command = [str(program), "-Xms256m", f"-Xmx{_MEGABYTES[len(self.nodes)]}m"]
        command += [*_OPTIONS, *(["-XX:TieredStopAtLevel=1"] if self.quick else [])]
        command += ["-cp", f"{jars}/*", "kafka.Kafka", str(directory / "server.properties")]
        pid = _detached(command, directory / "log", directory)
        (directory / "pid").write_text(str(pid))

    def _guard(self, owner: int) -> None:
        """Start the process that kills the cluster when the owner is gone."""
        (self.home / "owner").write_text(str(owner))
        command = [sys.executable, "-m", "infra.kafka.broker", "guard", "--data", str(self.home)]
        _detached(command, self.home / "guard.log", java.ROOT)

    def _pid(self, number: int) -> int | None:
        """The process of a node, or None; a number that another program got is not ours."""
        directory = self._directory(number)
        try:
            pid = int((directory / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if str(directory / "server.properties") in _command_line(pid) else None

    def _signal(self, number: int, sign: signal.Signals) -> None:
        pid = self._pid(number)
        if pid is None:
            raise BrokerError(f"Node {number} does not run.")
        os.kill(pid, sign)

    def _end(self, number: int, patience_s: float) -> None:
        """End a node, frozen or not: by SIGTERM within the given seconds, else by SIGKILL."""
        for sign, limit_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, STOP_LIMIT_S)):
            if limit_s and (pid := self._pid(number)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
                    os.kill(pid, signal.SIGCONT)
                if _within(limit_s, lambda: self._pid(number) is None):
                    return

    def _log_end(self, number: int) -> str:
        log = self._directory(number) / "log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join([f"The end of {str(log)!r}:", *lines[-_LAST_LINES:]])


def guard(home: Path) -> None:
    """Wait until the cluster in `home` is stopped or its owner is gone; then kill what is left."""
    cluster, owner = Cluster.load(home), home / "owner"
    if cluster is None:
        return
    try:
        pid = int(owner.read_text())
        while owner.exists() and _lives(pid):
            time.sleep(0.25)
    except FileNotFoundError:
        return
    if owner.exists():
        cluster.stop(patience_s=0)


def _write_private(path: Path, text: str) -> None:
    """Write a file with passwords in it: for this user's eyes only."""
    path.touch(mode=0o600)
    path.write_text(text)


def _detached(command: list[str], log: Path, directory: Path) -> int:
    """Start a process that outlives this one; return its id."""
    said = subprocess.run(
        ["/bin/sh", "-c", _DETACH, "sh", str(log), *command],
        cwd=directory,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    )
    return int(said.stdout)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return bool(_command_line(pid))


def _command_line(pid: int) -> str:
    """The command line of a process; empty when it is gone, a zombie included."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    said = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
    return said.stdout


def _within(limit_s: float, happened: Callable[[], bool]) -> bool:
    """Whether it happened within the limit, looked at again and again."""
    deadline = time.monotonic() + limit_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK_S)
    return True
