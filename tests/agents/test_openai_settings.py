"""What cannot work is said at the start, and nobody pays for openai who did not choose it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.settings import Settings
from agents.teachers import TeacherMisconfigured
from agents.teachers.openai_chat import openai_chat

KEY = "sk-secret-of-the-tests"
MODEL = "pinned-1"

UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "no-model": ({"openai_model": ""}, "KAPPA_OPENAI_MODEL is not set; name the model to pin"),
    "line-end-in-key": (
        {"openai_api_key": "sk-a\nb"}, "KAPPA_OPENAI_API_KEY holds a sign that no header can carry"
    ),
    "key-of-other-letters": (
        {"openai_api_key": "sk-ä"}, "KAPPA_OPENAI_API_KEY holds a sign that no header can carry"
    ),
    "no-prompt": (
        {"openai_prompt": Path("/nowhere")},
        "prompt '/nowhere': [Errno 2] No such file or directory: '/nowhere'",
    ),
    "empty-prompt": (
        {"openai_prompt": Path("/dev/null")}, "prompt '/dev/null': must hold 1 to 65536 bytes"
    ),
    "endless-prompt": (
        {"openai_prompt": Path("/dev/zero")}, "prompt '/dev/zero': must hold 1 to 65536 bytes"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "reason"), UNFIT.values(), ids=UNFIT)
def test_unfit_settings_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(TeacherMisconfigured) as raised:
        openai_chat(Settings(**{"openai_model": MODEL, **settings}))
    assert str(raised.value) == reason


WRONG_USE: dict[str, tuple[dict[str, str], str]] = {
    "no-model": ({}, "KAPPA_OPENAI_MODEL is not set"),
    "password-in-the-address": (
        {"KAPPA_OPENAI_BASE_URL": f"http://me:{KEY}@127.0.0.1/v1"}, "KAPPA_OPENAI_BASE_URL: "
    ),
    "no-address": ({"KAPPA_OPENAI_BASE_URL": "example.org"}, "KAPPA_OPENAI_BASE_URL: "),
    "prices-are-no-json": ({"KAPPA_PRICES": "cheap"}, "prices"),
    "a-price-without-a-date": (
        {"KAPPA_PRICES": '{"m": {"input_per_million": 1, "output_per_million": 2}}'},
        "KAPPA_PRICES_M_AS_OF: Field required",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("environment", "reason"), WRONG_USE.values(), ids=WRONG_USE)
def test_kappa_up_says_what_is_wrong(
    environment: dict[str, str], reason: str, tmp_path: Path
) -> None:
    up = ["up", "--teacher", "openai", "--data", str(tmp_path / "d"), "--port", "0"]
    result = CliRunner().invoke(main, up, env=environment)
    assert result.exit_code == 2
    assert reason in result.output
    assert KEY not in result.output
    assert not (tmp_path / "d").exists()


def test_the_command_line_does_not_import_openai() -> None:
    program = "import sys, agents.cli; print({'openai', 'httpx2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "set()\n", ran.stderr
