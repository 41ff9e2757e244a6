"""Keys: made for their owner's eyes alone, read from the settings, refused with the reason."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from agents.commands.shared import settings_from
from agents.settings import Settings
from streams.signing import PublicKey, SigningKey, Trust, read_key

OURS, NEXT = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32)
PRIVATE = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="


def kappa(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "ours.key"
    path.write_text(f"{PRIVATE}\n")
    return path


def test_a_generated_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "registrar.key"
    made = kappa("keys", "generate", path)
    assert made.exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    private = SigningKey(read_key(path.read_text()))
    assert made.output == f"{private.public.text}\n"
    assert path.read_text().strip() not in made.output
    assert kappa("keys", "public", path).output == made.output


def test_a_key_is_never_overwritten(key_file: Path) -> None:
    again = kappa("keys", "generate", key_file)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "File exists" in again.stderr
    assert key_file.read_text().strip() == PRIVATE


def test_a_public_key_needs_a_private_one(tmp_path: Path) -> None:
    path = tmp_path / "none.key"
    assert kappa("keys", "public", path).exit_code == 2
    path.write_bytes(b"\xff\xfe")
    made = kappa("keys", "public", path)
    assert (made.exit_code, made.stdout) == (2, "")
    assert "holds no Ed25519 key in base64" in made.stderr


def test_a_signing_key_is_trusted_where_no_other_key_is_named(
    monkeypatch: pytest.MonkeyPatch, key_file: Path
) -> None:
    assert Settings().trust() == Trust()
    monkeypatch.setenv("KAPPA_SIGNING_KEY", PRIVATE)
    assert (Settings().signer(), Settings().trust()) == (OURS, Trust((OURS.public,)))
    monkeypatch.delenv("KAPPA_SIGNING_KEY")
    monkeypatch.setenv("KAPPA_SIGNING_KEY_FILE", str(key_file))
    assert (Settings().signer(), Settings().trust()) == (OURS, Trust((OURS.public,)))
    monkeypatch.setenv("KAPPA_VERIFY_KEYS", f" {NEXT.public.text} ,{OURS.public.text},")
    monkeypatch.setenv("KAPPA_SIGNED_FROM", "7")
    assert Settings().trust() == Trust((NEXT.public, OURS.public), 7)


def test_an_empty_list_of_keys_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAPPA_VERIFY_KEYS", "")
    assert Settings().trust() == Trust()


BAD: list[tuple[str, dict[str, str], str]] = [
    ("not-base64", {"KAPPA_SIGNING_KEY": "hush hush"}, "KAPPA_SIGNING_KEY: the key is not base64"),
    ("short", {"KAPPA_SIGNING_KEY": "AAAA"}, "KAPPA_SIGNING_KEY: the key has 3 bytes"),
    ("no-file", {"KAPPA_SIGNING_KEY_FILE": "/nowhere/key"},
     "KAPPA_SIGNING_KEY_FILE: /nowhere/key: No such file"),
    ("second-of-two", {"KAPPA_VERIFY_KEYS": f"{OURS.public.text},hush!"},
     "KAPPA_VERIFY_KEYS: key 2 of 2: the key is not base64"),
    ("own-key-is-not-trusted",
     {"KAPPA_SIGNING_KEY": PRIVATE, "KAPPA_VERIFY_KEYS": NEXT.public.text},
     f"KAPPA_VERIFY_KEYS lacks {OURS.public.text}"),
    ("two-signing-keys", {"KAPPA_SIGNING_KEY": PRIVATE, "KAPPA_SIGNING_KEY_FILE": "FILE"},
     "give one of them"),
    ("from-nowhere", {"KAPPA_SIGNED_FROM": "0"}, "KAPPA_SIGNED_FROM: "),
    ("two-problems", {"KAPPA_SIGNED_FROM": "0", "KAPPA_VERIFY_KEYS": "hush!"},
     "; KAPPA_SIGNED_FROM: "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "reason"), BAD, ids=[row[0] for row in BAD])
def test_malformed_keys_are_refused_and_not_shown(
    name: str,
    given: dict[str, str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key_file: Path,
) -> None:
    for variable, value in given.items():
        monkeypatch.setenv(variable, value.replace("FILE", str(key_file)))
    with pytest.raises(SystemExit) as left:
        settings_from()
    shown = capsys.readouterr().err
    assert left.value.code == 2
    assert reason in shown
    assert "hush" not in shown
    assert PRIVATE not in shown


def test_a_signing_key_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAPPA_SIGNING_KEY", PRIVATE)
    assert PRIVATE not in f"{Settings()!r} {Settings().model_dump_json()}"


def test_another_process_gets_the_same_keys() -> None:
    import pickle  # what a child process is sent

    trust = Trust((OURS.public,))
    assert pickle.loads(pickle.dumps((OURS, trust))) == (OURS, trust)  # noqa: S301  # own bytes
    assert isinstance(trust.keys[0], PublicKey)
