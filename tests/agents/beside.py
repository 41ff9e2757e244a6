"""A learner for tests, whose search lasts as long as the test says.

    python -m tests.agents.beside LOG BEGUN GOES_ON DESCRIPTOR

For each utterance it opens the FIFO `BEGUN`, then waits within its one thread, as a search would,
until somebody opens the FIFO `GOES_ON`.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.commands.learn import connected
from agents.learner import learn
from agents.node import Decider
from streams.events import Event, RecipeRefused, UtteranceAsked
from streams.transports.embedded_remote import RemoteLog


def searcher(begun: Path, goes_on: Path) -> Decider:
    """Return a node that makes one record of each utterance, after a long search."""

    def decide(state: Any, event: Event) -> tuple[Any, Sequence[Event]]:
        assert isinstance(event, UtteranceAsked)
        begun.write_text("")
        goes_on.read_text()
        refused = RecipeRefused(
            question_id=event.utterance_id, cluster="c", scope=event.tenant, problems=()
        )
        return state, (refused,)

    return Decider(
        name="searcher",
        folds=(),
        reads=("utterances",),
        writes=("learning",),
        initial=None,
        decide=decide,
        is_rebuilt=False,
        doc="Searches long.",
        batch=1,
    )


async def main(path: str, begun: str, goes_on: str, descriptor: str) -> None:
    log = await RemoteLog.connect(Path(path), connected(int(descriptor)))
    try:
        await learn([searcher(Path(begun), Path(goes_on))], log, lambda: 0)
    finally:
        await log.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
