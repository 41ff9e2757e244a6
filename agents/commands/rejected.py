"""`kappa rejected`: records that could not be used, and putting them back."""

from typing import IO, Any

import click

from agents.commands.shared import (
    BAD_INPUT,
    NO,
    Source,
    fail,
    json_option,
    log_options,
    print_json,
    working,
)
from agents.rejected import (
    Position,
    Refused,
    position_of,
    put_back,
    read_position,
    rejected_records,
)
from agents.service import now_us
from streams.codec import VALUE_LIMIT
from streams.transports import Log


@click.group("rejected")
def rejected_group() -> None:
    """Records that could not be used."""


@rejected_group.command("list", epilog="Example: kappa rejected list --data run")
@log_options
@json_option
def rejected_list(source: Source, as_json: bool) -> None:
    """List rejected records with their positions and reasons, and which were put back."""

    async def rows(log: Log) -> list[dict[str, Any]]:
        return [
            event.model_dump(exclude={"value"})
            | {"position": str(position_of(event)), "replayed": is_replayed}
            async for event, is_replayed in rejected_records(log)
        ]

    found = working(source, rows)
    if as_json:
        print_json(found)
    for row in () if as_json else found:
        put = " (put back)" if row["replayed"] else ""
        click.echo(f"{row['position']}: {row['reason']}{put}")


class _PositionType(click.ParamType):
    name = "position"

    def convert(self, value: Any, param: Any, ctx: Any) -> Position:
        try:
            return read_position(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@rejected_group.command("replay", epilog="Example: kappa rejected replay utterances/0/17")
@click.argument("positions", metavar="POSITION...", nargs=-1, required=True, type=_PositionType())
@click.option("--mended", type=click.File("rb"), help="The value to put there; - reads stdin.")
@click.option("--again", is_flag=True, help="Also what was put back before.")
@log_options
def rejected_replay(
    positions: tuple[Position, ...], mended: IO[bytes] | None, again: bool, source: Source
) -> None:
    """Put records back onto their topics, as they were or with the value in a file.

    Positions are those of `kappa rejected list`. Key and headers are restored; a header says where
    the record came from, and the rejected topic that it was put back. Exit status 1 if any is
    refused: it would be rejected again, its value was cut, or it was put back before.
    """
    if mended is not None and len(positions) != 1:
        fail("--mended is the value of one record: give one POSITION", BAD_INPUT)
    value = None if mended is None else mended.read(VALUE_LIMIT + 1)

    async def replayed(log: Log) -> int:
        refused = 0
        for position in dict.fromkeys(positions):
            outcome = await put_back(log, position, value, now_us(), again=again)
            if isinstance(outcome, Refused):
                refused += 1
                click.echo(f"kappa: {position}: {outcome.reason}", err=True)
            else:
                click.echo(f"{position}: put back")
        return refused

    if working(source, replayed, writing=True):
        raise SystemExit(NO)
