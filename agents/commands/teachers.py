"""What the settings choose: the teacher, and with it the pipeline's nodes."""

from pathlib import Path

from agents.commands.shared import BAD_INPUT, fail
from agents.fallback import hash_draw
from agents.logs import Row, read_rows
from agents.node import Node
from agents.pipeline import pipeline
from agents.settings import Settings
from agents.teachers import Teacher, TeacherMisconfigured
from agents.teachers.demo import DemoTeacher
from agents.teachers.recorded import recorded
from agents.teachers.scripted import ScriptedTeacher


def nodes_of(settings: Settings, teacher: Teacher) -> tuple[Node, ...]:
    """Return the nodes of the pipeline that the settings describe."""
    return pipeline(
        teacher,
        hash_draw(settings.audit_seed.get_secret_value()),
        policies=settings.policies(),
        trusted=settings.trusted_sources,
        trust=settings.trust(),
        signer=settings.signer(),
        approval=settings.approval,
    )


def teacher_named(settings: Settings) -> Teacher:
    """Return the teacher of `demo`, `openai`, `recorded:LOG.jsonl` or `none`."""
    name = settings.teacher
    kind, _, argument = name.partition(":")
    if kind == "openai" and not argument:
        return _openai_teacher(settings)
    if kind == "demo" and not argument:
        return DemoTeacher()
    if kind == "none" and not argument:
        return ScriptedTeacher({})
    if kind == "recorded" and argument:
        try:
            rows = list(read_rows(Path(argument)))
        except OSError as error:
            fail(f"{argument}: {error.strerror}", BAD_INPUT)
        bad = next((row for row in rows if not isinstance(row, Row)), None)
        if bad is not None:
            fail(f"{argument}, {bad}", BAD_INPUT)
        return recorded(
            {"text": row.text, "answer": row.answer} for row in rows if isinstance(row, Row)
        )
    fail(f"teacher {name!r} is none of demo, openai, recorded:LOG.jsonl, none", BAD_INPUT)


def _openai_teacher(settings: Settings) -> Teacher:
    """Return the LLM's teacher; only whoever chooses it pays the second that its import takes."""
    try:
        from agents.teachers.openai_chat import openai_chat
    except ModuleNotFoundError as error:
        fail(f"the openai teacher needs kappa-pipeline[llm]: {error}", BAD_INPUT)
    try:
        return openai_chat(settings)
    except TeacherMisconfigured as error:
        fail(str(error), BAD_INPUT)
