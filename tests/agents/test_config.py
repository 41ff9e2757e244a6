"""`kappa config check`: everything is shown but secrets, and everything wrong at once."""

import json

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from agents.settings import Settings
from tests.agents.simulations import kappa

PRIVATE = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
SECRETS = {
    "KAPPA_SIGNING_KEY": PRIVATE,
    "KAPPA_KAFKA_PASSWORD": "hush-hush-password",
    "KAPPA_AUDIT_SEED": "hush-hush-seed",
    "KAPPA_OPENAI_API_KEY": "hush-hush-key",
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"KAPPA_{name.upper()}", raising=False)
    return monkeypatch


def check(*options: str) -> Result:
    return CliRunner().invoke(main, ["config", "check", *options])


def test_every_setting_has_a_row_with_its_source(given: pytest.MonkeyPatch) -> None:
    given.setenv("KAPPA_PORT", "8000")
    given.setenv("KAPPA_TRUSTED_SOURCES", "b, a")
    prices = '{"m":{"as_of":"2026-11-01","input_per_million":0.5,"output_per_million":1.0}}'
    given.setenv("KAPPA_PRICES", prices)
    shown = check("--json")
    rows = {row["variable"]: row for row in json.loads(shown.stdout)}
    assert shown.exit_code == 0
    assert set(rows) == {f"KAPPA_{name.upper()}" for name in Settings.model_fields}
    assert (rows["KAPPA_PORT"]["value"], rows["KAPPA_PORT"]["source"]) == ("8000", "environment")
    assert rows["KAPPA_TRUSTED_SOURCES"]["value"] == "a,b"
    assert rows["KAPPA_PRICES"]["value"] == prices
    assert rows["KAPPA_HOST"]["source"] == "default"
    assert all(row["doc"].endswith(".") for row in rows.values())
    assert "KAPPA_PORT=8000  (environment)" in check().stdout


POLICIES = [
    ('{"acme": {"min_pairs": 0}}', "tenant 'acme': min_pairs 0 is not within 2 and 1000"),
    ('{"acme": {"max_risk": 0}}', "tenant 'acme': max_risk 0 is not within 0.0001 and 0.99"),
    ('{"acme": {"min_pair": 4}}', "tenant 'acme': 'min_pair' is no threshold"),
    ('{"acme": {"min_repeats": 2.5}}', "tenant 'acme': min_repeats 2.5 is no whole number"),
    ('{"acme": 4}', "KAPPA_POLICY_ACME: Input should be a valid dictionary"),
    ("[", "error parsing value for field"),
]


@pytest.mark.parametrize(("policy", "problem"), POLICIES)
def test_a_policy_out_of_range_is_refused(
    given: pytest.MonkeyPatch, policy: str, problem: str
) -> None:
    given.setenv("KAPPA_POLICY", policy)
    status, _, errors = kappa("audit", "--policy")
    assert (status, problem in errors) == (2, True)


def test_a_tenant_s_policy_is_taken_from_the_environment(given: pytest.MonkeyPatch) -> None:
    policy = '{"acme": {"max_risk": 0.002, "certified_only": true}, "*": {"min_repeats": 4}}'
    given.setenv("KAPPA_POLICY", policy)
    given.setenv("KAPPA_AUDIT_RATE", "0.2")
    policies = Settings().policies()
    acme, other = (policies.of(tenant) for tenant in ("acme", "other"))
    assert (acme.min_repeats, other.min_repeats, list(policies.own)) == (4, 4, ["acme"])
    assert (acme.min_agreements, acme.certified_only, acme.audit_rate) == (25, True, 0.2)
    assert (other.min_agreements, other.certified_only, other.audit_rate) == (5, False, 0.2)


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_no_secret_is_shown(given: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    for variable, value in SECRETS.items():
        given.setenv(variable, value)
    shown = check(*options)
    assert shown.exit_code == 0
    assert shown.stdout.count("**********") == len(SECRETS)
    assert not [value for value in SECRETS.values() if value in shown.output]
    assert set(SECRETS.values()) <= set(Settings().secrets())


def test_all_that_is_wrong_is_listed(given: pytest.MonkeyPatch) -> None:
    wrong = {
        "KAPPA_PORT": "99999",
        "KAPPA_MAX_RISK": "2",
        "KAPPA_LOG_LEVEL": "LOUD",
        "KAPPA_OTLP_ENDPOINT": "http://user:hush@collector:4318",
        "KAPPA_SIGNING_KEY": "hush",
    }
    for variable, value in wrong.items():
        given.setenv(variable, value)
    shown = check()
    assert (shown.exit_code, shown.stdout) == (2, "")
    named = [line.split(": ")[1] for line in shown.stderr.splitlines()]
    assert sorted(named) == sorted(wrong)
    assert "hush" not in shown.output


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://", "", "http://["])
def test_a_collector_is_an_http_url(given: pytest.MonkeyPatch, url: str) -> None:
    given.setenv("KAPPA_OTLP_ENDPOINT", url)
    assert check().exit_code == 2


def test_a_typing_error_is_named(given: pytest.MonkeyPatch) -> None:
    given.setenv("KAPPA_AUDITRATE", "0.5")
    shown = check()
    assert shown.exit_code == 0
    assert "KAPPA_AUDITRATE is no setting" in shown.stderr


def test_limits_of_expectations_are_shown_and_checked(given: pytest.MonkeyPatch) -> None:
    limits = '{"*":{"null-share":0.5},"acme":{"teacher-noise":0.1}}'
    given.setenv("KAPPA_EXPECTATIONS", limits)
    assert f"KAPPA_EXPECTATIONS={limits}  (environment)" in check().stdout
    given.setenv("KAPPA_EXPECTATIONS", limits.replace("0.1", "1.5"))
    shown = check()
    problem = "tenant 'acme': teacher-noise is 1.5; the limit lies from 0 to 1"
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr == f"kappa: KAPPA_EXPECTATIONS: {problem}\n"
    up = CliRunner().invoke(main, ["up", "--port", "0"])
    assert (up.exit_code, problem in up.stderr) == (2, True)


def test_a_table_that_is_not_json_is_named(given: pytest.MonkeyPatch) -> None:
    given.setenv("KAPPA_EXPECTATIONS", "{")
    shown = check()
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert '"expectations"' in shown.stderr
