"""People move families of a running service: the commands go through its HTTP port."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.test_service import Up, kappa, until, up


def families(data: Path, *arguments: object) -> Any:
    """Run a command that must succeed, and return its document."""
    said = kappa("families", *arguments, "--data", data, "--json")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def stages(service: Up) -> dict[int, str]:
    return {row["version"]: row["stage"] for row in service.families()}


@pytest.mark.slow
def test_a_person_approves_rolls_back_and_retires_while_the_service_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAPPA_APPROVAL", "default")
    with up(tmp_path, "--audit-rate", 0) as service:

        def waits() -> list[dict[str, Any]]:
            return [row for row in families(tmp_path, "waiting") if row["waits_for_approval"]]

        for n in range(11, 31):
            assert service.ask(f"convert {n} minutes to seconds")["origin"] == "fallback"
            service.settled()
        [row] = until(waits, "an agent's promotion waits for approval")
        family = row["family"]
        assert stages(service) == {1: "shadow"}
        shown = kappa("families", "waiting", "--data", tmp_path)
        assert "waits for approval" in " ".join(shown.stdout.split())

        promoted = families(tmp_path, "promote", f"{family}@1", "--reason", "seen by the desk")
        assert (promoted["outcome"], stages(service)) == ("changed", {1: "live"})
        answer = until(
            lambda: (a := service.ask("convert 40 minutes to seconds"))["origin"] == "family" and a,
            "the family answers",
        )
        assert (answer["answer"], answer["revision"]) == ("2400", promoted["ordinal"])

        again = kappa("families", "promote", f"{family}@1", "--reason", "x", "--data", tmp_path)
        assert (again.returncode, "is live" in again.stderr) == (2, True)
        first = kappa("families", "rollback", family, "--reason", "x", "--data", tmp_path)
        assert (first.returncode, "retire it instead" in first.stderr) == (2, True)

        retired = families(tmp_path, "retire", family, "--reason", "no longer asked")
        assert stages(service) == {1: "retired"}
        assert retired["ordinal"] == promoted["ordinal"] + 1
        service.settled()
        assert service.ask("convert 41 minutes to seconds")["origin"] == "fallback"

        assert kappa("replay", "--data", tmp_path).returncode == 0


@pytest.mark.slow
def test_a_log_whose_writer_has_no_port_is_unreachable_and_a_left_endpoint_is_not_believed(
    tmp_path: Path,
) -> None:
    with up(tmp_path, "--audit-rate", 0) as service:
        family = service.taught(range(11, 31))["family"]
        service.settled()
        url = (tmp_path / "endpoint").read_text()
        (tmp_path / "endpoint").unlink()
        said = kappa("families", "retire", family, "--reason", "x", "--data", tmp_path)
        assert (said.returncode, f"process {service.process.pid}" in said.stderr) == (4, True)
        (tmp_path / "endpoint").write_text("http://127.0.0.1:9\n")
        said = kappa("families", "retire", family, "--reason", "x", "--data", tmp_path)
        assert said.returncode == 4
    (tmp_path / "endpoint").write_text(url)
    assert (
        families(tmp_path, "retire", family, "--reason", "nobody runs it")["outcome"] == "changed"
    )
    with up(tmp_path, "--audit-rate", 0) as service:
        assert stages(service) == {1: "retired"}
        service.settled()
        assert service.ask("convert 41 minutes to seconds")["origin"] == "fallback"
