"""The stage table: which stage of a family version may follow which, and what each stage does."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

StageName = Literal["shadow", "canary", "live", "retired"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. A serving version answers; a compared one only gathers evidence."""

    name: StageName
    serves: bool
    compared: bool
    follows: frozenset[StageName | None]
    doc: str


_TABLE = (
    Stage(
        "shadow",
        False,
        True,
        frozenset({None, "shadow", "canary", "live", "retired"}),
        "Answers are computed and compared, never served. Entered by a proposal, by quarantine, "
        "by rollback, and anew after a disagreement: its evidence then starts again. What serves "
        "is suspended here while a reject is looked into, and keeps its evidence.",
    ),
    Stage("canary", True, True, frozenset({"shadow"}), "Serves a share of its utterances."),
    Stage("live", True, True, frozenset({"shadow", "canary"}), "Serves."),
    Stage(
        "retired",
        False,
        False,
        frozenset({"shadow", "canary", "live"}),
        "Superseded, useless or hopeless; kept for replay and rollback.",
    ),
)
STAGES: Mapping[StageName, Stage] = MappingProxyType({stage.name: stage for stage in _TABLE})


def may_follow(before: StageName | None, after: StageName) -> bool:
    """Return whether a version in stage `before` (None: new) may enter stage `after`.

    >>> may_follow(None, "live"), may_follow("shadow", "live")
    (False, True)
    """
    return before in STAGES[after].follows


def may_suspend(before: StageName | None, after: StageName) -> bool:
    """Return whether a version may be suspended from `before` into `after`: serving, into shadow.

    >>> may_suspend("live", "shadow"), may_suspend("shadow", "shadow")
    (True, False)
    """
    return before is not None and STAGES[before].serves and after == "shadow"
