"""`kappa replay`: decide past utterances again."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, assert_never

import click
from rich.console import Console
from rich.progress import Progress

from agents.commands.shared import (
    BAD_INPUT,
    NO,
    UNDECIDED,
    Source,
    fail,
    json_option,
    log_options,
    working,
)
from agents.history import closed_after
from agents.live import spare_the_collector
from agents.ranges import Bound, Range, read_bound
from agents.replay import Differs, Identical, Replayed, Unjudged, Waiting, replay
from streams.transports import Log


class _BoundType(click.ParamType):
    """A time or an offset."""

    name = "T|offset:N"

    def convert(self, value: Any, param: Any, ctx: Any) -> Bound:
        try:
            return read_bound(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("replay", epilog="Example: kappa replay --from 2026-01-31T08:00:00Z --against 12")
@click.option("--from", "start", type=_BoundType(), help="ISO 8601 time (UTC), or offset:N.")
@click.option("--to", "end", type=_BoundType(), help="The same; it is not in the range itself.")
@click.option("--partition", type=click.IntRange(0), help="Only this partition of utterances.")
@click.option("--against", type=click.IntRange(0), help="Ordinal of another registry.")
@log_options
@json_option
def replay_command(
    start: Bound | None,
    end: Bound | None,
    partition: int | None,
    against: int | None,
    source: Source,
    as_json: bool,
) -> None:
    """Decide past utterances again: byte-identical, or every difference and what made it.

    A time stands for the first utterance that is not earlier. Exit status: 0 all identical, 1 some
    differ, 3 none differs but some could not be judged: their utterance or a change set that their
    revision needs is not in the log, or no longer. Utterances without a decision are counted apart.
    """
    within = Range(start, end, partition)
    count = _Count(as_json)

    async def replayed(log: Log) -> None:
        shown = Console(stderr=True)
        with Progress(console=shown, disable=not shown.is_terminal) as progress:
            task = progress.add_task("replaying", total=None)
            spare_the_collector()
            found = replay(log, source.settings.trust(), within=within, against=against)
            async with closed_after(found) as every:
                async for again in every:
                    count.add(again)
                    progress.advance(task)

    try:
        working(source, replayed)
    except ValueError as error:
        fail(f"{source}: {error}", BAD_INPUT)
    count.end()
    if count.differing:
        raise SystemExit(NO)
    if count.unjudged:
        raise SystemExit(UNDECIDED)


@dataclass(slots=True)
class _Count:
    """How many of each verdict there were; differences are printed as they come."""

    as_json: bool
    identical: int = 0
    differing: int = 0
    waiting: int = 0
    unjudged: Counter[str] = field(default_factory=Counter)

    def add(self, again: Replayed) -> None:
        match again.verdict:
            case Identical():
                self.identical += 1
            case Differs() as verdict:
                self._show(again, verdict)
                self.differing += 1
            case Unjudged(why):
                self.unjudged[why] += 1
            case Waiting():
                self.waiting += 1
            case _:
                assert_never(again.verdict)

    def _show(self, again: Replayed, verdict: Differs) -> None:
        if not self.as_json:
            change = f"{verdict.before} became {verdict.after}"
            click.echo(f"{again.utterance_id}: {change}: {'; '.join(verdict.reasons)}")
            return
        row = {
            "utterance_id": again.utterance_id,
            "text": again.text,
            "before": verdict.before,
            "after": verdict.after,
            "reasons": list(verdict.reasons),
        }
        click.echo(",\n" if self.differing else '{"differences": [\n', nl=False)
        click.echo(json.dumps(row, ensure_ascii=False), nl=False)

    def end(self) -> None:
        """Print the counts."""
        decisions = self.identical + self.differing + self.unjudged.total()
        if self.as_json:
            counts = {
                "decisions": decisions,
                "identical": self.identical,
                "differ": self.differing,
                "not_judged": dict(self.unjudged),
                "without_decision": self.waiting,
            }
            opening = "\n], " if self.differing else '{"differences": [], '
            click.echo(opening + json.dumps(counts, ensure_ascii=False)[1:])
            return
        for why, number in self.unjudged.items():
            click.echo(f"{number} not judged: {why}")
        waiting = f"; {self.waiting} utterances without a decision" if self.waiting else ""
        click.echo(
            f"{decisions} decisions, {self.differing} differ, "
            f"{self.unjudged.total()} not judged{waiting}"
        )
