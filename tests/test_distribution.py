"""What is installed beside us, and what our wheel holds."""

from importlib.metadata import distribution, distributions

PACKAGES = {"artifacts", "streams", "agents"}


def test_no_other_distribution_claims_our_package_names() -> None:
    claims = {
        (found.metadata["Name"], path.parts[0])
        for found in distributions()
        if found.metadata["Name"] != "kappa-pipeline"
        for path in found.files or ()
        if path.parts[0] in PACKAGES
    }
    assert claims == set()


def test_the_command_is_kappa() -> None:
    scripts = distribution("kappa-pipeline").entry_points.select(group="console_scripts")
    assert {script.name: script.value for script in scripts} == {"kappa": "agents.cli:main"}


def test_every_dependency_is_pinned() -> None:
    required = distribution("kappa-pipeline").requires or []
    assert len(required) > 10
    assert [line for line in required if "==" not in line] == []
