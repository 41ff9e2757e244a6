"""What the console needs of whoever it speaks for: the service here, or agents on a cluster."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import JsonValue

from agents.answer_ref import read_answer_ref
from agents.node import Node
from streams.codec import encode, sanitize_json
from streams.events import AnswerGiven, CompletionGiven, CompletionRefused, FeedbackGiven
from streams.transports import Headers, Outgoing, Transport

Terminal = AnswerGiven | CompletionGiven | CompletionRefused
TERMINAL_TOPICS = ("matches", "completions")


class UnknownAnswer(Exception):
    """Feedback was given on an utterance that no family answered."""


class Beside(Protocol):
    """Nodes that run in a process beside the service; `trouble` says why they do not."""

    @property
    def nodes(self) -> Sequence[Node]: ...
    @property
    def trouble(self) -> str | None: ...
    def news(self) -> None: ...


class Doors(Protocol):
    """Where utterances and feedback go in, and answers come out."""

    @property
    def transport(self) -> Transport:
        """The log that facts are read from."""

    @property
    def failure(self) -> BaseException | None:
        """What ended it."""

    @property
    def beside(self) -> Beside | None:
        """Who learns beside it."""

    @property
    def is_ready(self) -> bool:
        """Whether what is asked now is answered as soon as it can be."""

    async def ask(
        self,
        text: str,
        *,
        tenant: str,
        utterance_id: str | None = None,
        session: str | None = None,
        context: str | None = None,
        headers: Headers = (),
        wait: float = 0.0,
    ) -> tuple[str, Terminal | None]:
        """Store an utterance; wait up to `wait` seconds for its terminal record.

        `headers` are echoed on all that follows from it, if they are of those that are. Raises
        ValueError for a text that no record can hold.
        """

    async def answer_ref(self, tenant: str, utterance_id: str) -> str:
        """Return the reference of a family's answer; raise UnknownAnswer where there is none."""

    async def store(self, outgoing: Outgoing) -> None:
        """Publish a record from outside."""

    def asked_since(self, tenant: str, utterance_id: str) -> int:
        """Return a time before which nothing lies about an utterance; 0 where none is known."""

    async def lag(self) -> int | None:
        """Return how many records wait for a node; None where others know."""


async def give_feedback(
    doors: Doors,
    utterance_id: str | None,
    verdict: str,
    *,
    tenant: str,
    correction: JsonValue,
    source: str,
    answer_ref: str | None = None,
    now: int,
) -> None:
    """Store a verdict on a family's answer: that of a reference, else that of an utterance.

    Raises UnknownAnswer where there is no such answer of this tenant, ValueError for what is no
    reference or no correction.
    """
    if answer_ref is not None:
        _refuse_other(answer_ref, tenant, utterance_id)
    elif utterance_id is not None:
        answer_ref = await doors.answer_ref(tenant, utterance_id)
    else:
        raise ValueError("give utterance_id or answer_ref")
    event = FeedbackGiven.model_validate(
        {
            "answer_ref": answer_ref,
            "verdict": verdict,
            "correction": sanitize_json(correction),
            "source": source,
        }
    )
    await doors.store(encode(event, timestamp=now))


def _refuse_other(answer_ref: str, tenant: str, utterance_id: str | None) -> None:
    ref = read_answer_ref(answer_ref)
    if ref is None:
        raise ValueError("answer_ref is no reference to an answer")
    if ref.tenant != tenant or utterance_id not in (None, ref.utterance_id):
        raise UnknownAnswer(f"answer_ref is of another utterance or tenant than {tenant!r}")
