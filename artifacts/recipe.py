"""Recipes: what a teacher or an engineer writes, and κ compiles.

A recipe is a JSON document. It is data from outside: nothing in it is run before κ has checked it.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MAX_RECIPE_BYTES = 256 * 1024

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
SlotName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Example(_Document):
    """A text and the answer it must get; the first example is the teaching example."""

    text: Text
    answer: JsonValue


class Recipe(_Document):
    """The document.

    `phrasings` and `phi` are grammars in text form; `steps` and `answer` are a program in JSON
    form; `constants` are values that may equal a slot value of the teaching example, `dont_care`
    are slots on which no answer depends.
    """

    recipe: Literal[1]
    name: Name
    phrasings: Annotated[list[Text], Field(min_length=1, max_length=64)]
    steps: Annotated[list[JsonValue], Field(max_length=200)] = []
    answer: JsonValue
    comparator: str = "public"
    constants: Annotated[list[str], Field(max_length=64)] = []
    dont_care: Annotated[list[SlotName], Field(max_length=64)] = []
    examples: Annotated[list[Example], Field(max_length=64)]
    counterexamples: Annotated[list[Text], Field(max_length=64)] = []
    phi: Text | None = None
    binding: JsonValue = None
