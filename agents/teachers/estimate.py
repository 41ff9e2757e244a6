"""What a call of an LLM would cost, estimated from the lengths of the texts alone.

tokens = 300 (a prompt prefix) + a quarter of the code points of the text and of the answer's JSON,
rounded up. The price is a dated order of magnitude, not a quotation.
"""

import json

from pydantic import JsonValue

from agents.teachers import Reply

PREFIX_TOKENS = 300
CODE_POINTS_PER_TOKEN = 4
# Of the order of what a small hosted model cost in 2025, prompt and answer averaged.
DOLLARS_PER_MILLION_TOKENS = 0.5
LATENCY_US = 400_000
LATENCY_US_PER_ANSWER_CODE_POINT = 5_000


def estimated_tokens(code_points: int) -> int:
    """Return the tokens of a call whose question and answer have so many code points."""
    return PREFIX_TOKENS - -code_points // CODE_POINTS_PER_TOKEN


def estimated_price(tokens: int) -> float:
    """Return what so many tokens cost, in dollars."""
    return tokens * DOLLARS_PER_MILLION_TOKENS / 1_000_000


def estimated(text: str, answer: JsonValue) -> Reply:
    """Return the reply with its estimated tokens, price and latency."""
    answer_length = len(json.dumps(answer, ensure_ascii=False))
    tokens = estimated_tokens(len(text) + answer_length)
    return Reply(
        answer,
        tokens=tokens,
        price=estimated_price(tokens),
        latency_us=LATENCY_US + LATENCY_US_PER_ANSWER_CODE_POINT * answer_length,
    )
