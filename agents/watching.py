"""Looking now and again at what others do, beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from streams.transports import TransportError


@contextlib.asynccontextmanager
async def looking(look: Callable[[], Awaitable[object]], every: float) -> AsyncIterator[None]:
    """Look at once, and again every so many seconds, while the block runs.

    What a transport raises is left to those who serve, who meet it too; the next look comes.
    """

    async def watch() -> None:
        while True:
            with contextlib.suppress(TransportError):
                await look()
            await asyncio.sleep(every)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
