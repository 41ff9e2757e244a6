"""Programs: every operator, every problem, and a bound that holds."""

import math
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.grammar.kinds import KINDS, SlotType
from artifacts.grammar.nfa import Bindings, Bound
from artifacts.problems import Problem
from artifacts.program.evaluate import Computed, careful_run, compile_program
from artifacts.program.jsonform import program_from_json, program_to_json
from artifacts.program.operators import LAZY, MAX_PLACES, MAX_VARIADIC, OPERATORS, Failure, Type
from artifacts.program.program import (
    MAX_ANSWER_DEPTH,
    MAX_STEPS,
    Answer,
    AnswerConstant,
    AnswerList,
    AnswerObject,
    AnswerValue,
    Argument,
    Constant,
    CostBound,
    Program,
    SlotValueOf,
    SpellingOf,
    Step,
    StepValue,
    Table,
    check,
    slots_used,
)
from artifacts.values import MAX_ITEMS, Json, Value, whole

F = Fraction
TABLE = {"a": "1", "b": None, "c": [1, {"d": "x"}]}
LONG = 10**399

# operator, arguments, the value or why there is none
APPLIED: list[tuple[str, tuple[object, ...], object]] = [
    ("add", (F(1, 2), F(1, 2)), 1),
    ("sub", (2, 5), -3),
    ("mul", (F(2, 3), 6), 4),
    ("div", (1, 3), F(1, 3)),
    ("div", (1, 0), Failure("division by zero")),
    ("floordiv", (-7, 2), -4),
    ("floordiv", (F(7, 2), F(1, 2)), 7),
    ("floordiv", (1, 0), Failure("division by zero")),
    ("mod", (-7, 3), 2),
    ("mod", (7, -3), -2),
    ("mod", (F(7, 2), 1), F(1, 2)),
    ("mod", (1, 0), Failure("division by zero")),
    ("pow", (F(-1, 2), 3), F(-1, 8)),
    ("pow", (0, 0), 1),
    ("pow", (2, -1), Failure("the exponent is not a natural number")),
    ("pow", (4, F(1, 2)), Failure("the exponent is not a natural number")),
    ("pow", (2, LONG), Failure("the power is too large")),
    ("pow", (0, LONG), Failure("the power is too large")),
    ("gcd", (12, -18), 6),
    ("gcd", (0, 0), 0),
    ("gcd", (F(1, 2), 2), Failure("gcd of numbers that are not whole")),
    ("lcm", (4, 6), 12),
    ("lcm", (4, F(1, 2)), Failure("lcm of numbers that are not whole")),
    ("denominator", (F(1, 4), F(5, 6)), 12),
    ("neg", (F(1, 2),), F(-1, 2)),
    ("abs", (-3,), 3),
    ("min", (2, F(3, 2)), F(3, 2)),
    ("max", (2, F(3, 2)), 2),
    ("floor", (F(-1, 2),), -1),
    ("ceil", (F(-1, 2),), 0),
    ("round", (F(-5, 2), 0), -3),
    ("round", (F(1, 3), 2), F(33, 100)),
    ("round", (1, -1), Failure("places are not 0 to 40")),
    ("eq", (F(2, 1), 2), True),
    ("lt", (1, 1), False),
    ("le", (1, 1), True),
    ("same", ("a", "A"), False),
    ("and", (True, False), False),
    ("or", (True, False), True),
    ("not", (False,), True),
    ("concat", ("a",), "a"),
    ("concat", ("a", "", "bc"), "abc"),
    ("lower", ("ÉTÉ",), "ÉtÉ"),
    ("upper", ("straße",), "STRAßE"),
    ("show", (F(-5, 4),), "-1.25"),
    ("show", (F(1, 3),), Failure("the decimals never end")),
    ("fraction", (F(-2, 6),), "-1/3"),
    ("fraction", (4,), "4"),
    ("fixed", (F(199, 200), 2), "1.00"),
    ("fixed", (F(-1, 2), 0), "-1"),
    ("fixed", (1, 41), Failure("places are not 0 to 40")),
    ("lookup", ("a", TABLE), "1"),
    ("lookup", ("c", TABLE), [1, {"d": "x"}]),
    ("lookup", ("z", TABLE), Failure("'z' has no answer in the table")),
    ("lookup", ("b", TABLE), Failure("'b' has no answer in the table")),
    ("choose", (True, 1, 2), 1),
    ("choose_text", (False, "a", "b"), "b"),
    ("count", ((3, 3),), 2),
    ("count_texts", (("a",),), 1),
    ("sum", ((F(1, 2), F(1, 2), 3),), 4),
    ("sum", ((F(1, 3),),), F(1, 3)),
    ("smallest", ((2, F(3, 2)),), F(3, 2)),
    ("largest", ((2, F(3, 2)),), 2),
    ("first", ((3, 1, 2),), 3),
    ("first_text", (("b", "a"),), "b"),
    ("last", ((3, 1, 2),), 2),
    ("last_text", (("b", "a"),), "a"),
    ("sort", ((3, F(1, 2), 2),), (F(1, 2), 2, 3)),
    ("sort_texts", (("b", "É", "B"),), ("B", "b", "É")),
    ("reverse", ((3, 1, 2),), (2, 1, 3)),
    ("reverse_texts", (("b", "a"),), ("a", "b")),
    ("join", (("b", "a"), ", "), "b, a"),
    ("join", (("b",), ", "), "b"),
]


def bound(**values: Value) -> dict[str, Bound]:
    """Bindings of whole numbers, decimals and texts to the slots that are named."""
    made = {}
    for name, value in values.items():
        kind = "quoted" if isinstance(value, str) else "decimal"
        if isinstance(value, tuple):
            kind = "quotations" if isinstance(value[0], str) else "fractions"
        spelling = KINDS[kind].render(value)
        made[name] = Bound(name, kind, 0, len(spelling), spelling, value)
    return made


def argument(value: object) -> Argument:
    if isinstance(value, Mapping):
        return Table(value)
    assert isinstance(value, int | Fraction | str)
    return Constant(value)


@pytest.mark.parametrize(("name", "given_", "expected"), APPLIED)
def test_operators(name: str, given_: tuple[object, ...], expected: object) -> None:
    lists = {f"s{i}": value for i, value in enumerate(given_) if isinstance(value, tuple)}
    types: dict[str, SlotType] = {
        slot: "texts" if isinstance(value[0], str) else "numbers" for slot, value in lists.items()
    }
    arguments = [
        SlotValueOf(f"s{i}") if isinstance(value, tuple) else argument(value)
        for i, value in enumerate(given_)
    ]
    program = Program((Step(name, tuple(arguments)),), AnswerConstant(0))
    assert isinstance(check(program, types), CostBound)
    found = compile_program(program)(bound(**lists))
    assert isinstance(found, Computed)
    assert found.steps == (expected,)
    assert type(found.steps[0]) is type(expected)


@given(st.fractions(max_denominator=10**9) | st.integers(), st.integers(0, MAX_PLACES))
def test_a_half_is_rounded_away_from_zero(number: int | F, places: int) -> None:
    scaled = number * 10**places
    nearest = math.floor(abs(scaled) + F(1, 2)) * (1 if scaled >= 0 else -1)
    run = compile_program(
        Program(
            (Step("round", (Constant(number), Constant(places))),
             Step("fixed", (Constant(number), Constant(places)))),
            AnswerConstant(0),
        )
    )  # fmt: skip
    found = run({})
    assert isinstance(found, Computed)
    rounded, fixed = found.steps
    assert rounded == F(nearest, 10**places)
    assert isinstance(rounded, int) == (F(nearest, 10**places).denominator == 1)
    assert isinstance(fixed, str)
    assert F(fixed) == rounded
    assert len(fixed.partition(".")[2]) == places


def test_every_operator_has_a_row() -> None:
    assert {name for name, _, _ in APPLIED} == OPERATORS.keys()


DIV = Step("div", (Constant(1), SlotValueOf("n")))
IS_ZERO = Step("eq", (SlotValueOf("n"), Constant(0)))
RUNS: dict[str, tuple[Program, Mapping[str, Bound], object]] = {
    "the-arm-not-chosen-may-fail": (
        Program((DIV, IS_ZERO, Step("choose", (StepValue(1), Constant(7), StepValue(0)))),
                AnswerValue(StepValue(2))),
        bound(n=0), 7,
    ),
    "the-arm-chosen-may-not": (
        Program((DIV, IS_ZERO, Step("choose", (StepValue(1), StepValue(0), Constant(7)))),
                AnswerValue(StepValue(2))),
        bound(n=0), Failure("division by zero"),
    ),
    "nor-may-the-condition": (
        Program((DIV, Step("eq", (StepValue(0), Constant(1))),
                 Step("choose", (StepValue(1), Constant(1), Constant(2)))),
                AnswerValue(StepValue(2))),
        bound(n=0), Failure("division by zero"),
    ),
    "a-failed-step-that-no-answer-needs": (
        Program((DIV,), AnswerConstant("fine")), bound(n=0), "fine",
    ),
    "one-failed-part-fails-the-answer": (
        Program((DIV,), AnswerObject((("a", AnswerList((AnswerValue(StepValue(0)),))),))),
        bound(n=0), Failure("division by zero"),
    ),
    "a-slot-that-is-not-bound": (
        Program((), AnswerValue(SlotValueOf("n"))), {}, Failure("slot 'n' is not bound"),
    ),
    "a-spelling-is-the-original": (
        Program((), AnswerValue(SpellingOf("t"))), bound(t="x"), '"x"',
    ),
    "a-decimal-becomes-the-shortest-float": (
        Program((), AnswerValue(SlotValueOf("n"))), bound(n=F(1, 10)), 0.1,
    ),
    "an-endless-decimal-is-no-json": (
        Program((DIV,), AnswerValue(StepValue(0))), bound(n=3),
        Failure("the number has no finite decimal form"),
    ),
    "a-decimal-no-float-can-say": (
        Program((), AnswerValue(SlotValueOf("n"))), bound(n=F(10**30 + 1, 10)),
        Failure("the number has no exact JSON form"),
    ),
    "a-decimal-beyond-all-floats": (
        Program((), AnswerValue(SlotValueOf("n"))), bound(n=F(10**380 + 1, 10)),
        Failure("the number has no exact JSON form"),
    ),
    "a-truth-stays-one": (Program((IS_ZERO,), AnswerValue(StepValue(0))), bound(n=0), True),
    "a-list-is-a-list-of-numbers": (
        Program((), AnswerValue(SlotValueOf("ns"))), bound(ns=(1, F(1, 4))), [1, 0.25],
    ),
    "a-list-of-texts": (
        Program((Step("sort_texts", (SlotValueOf("ts"),)),), AnswerValue(StepValue(0))),
        bound(ts=("b", "a")), ["a", "b"],
    ),
    "an-endless-decimal-in-a-list-is-no-json": (
        Program((), AnswerValue(SlotValueOf("ns"))), bound(ns=(1, F(1, 3))),
        Failure("the number has no finite decimal form"),
    ),
    "a-table-may-not-hold-what-concat-needs": (
        Program((Step("lookup", (SlotValueOf("t"), Table({"a": 1}))),
                 Step("concat", (StepValue(0),))), AnswerValue(StepValue(1))),
        bound(t="a"), Failure("concat of a value that is not text"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_runs(name: str) -> None:
    program, bindings, expected = RUNS[name]
    types: dict[str, SlotType] = {"n": "number", "t": "text", "ns": "numbers", "ts": "texts"}
    assert isinstance(check(program, types), CostBound)
    found = compile_program(program)(bindings)
    assert (found.answer if isinstance(found, Computed) else found) == expected


N, T = SlotValueOf("n"), SlotValueOf("t")
ZERO = AnswerConstant(0)
PROBLEMS: dict[str, tuple[Program, list[tuple[str, str]]]] = {
    "unknown-operator": (Program((Step("root", ()),), ZERO), [("unknown-operator", "steps[0]")]),
    "too-few-arguments": (Program((Step("add", (N,)),), ZERO), [("bad-argument", "steps[0]")]),
    "no-text-to-join": (Program((Step("concat", ()),), ZERO), [("bad-argument", "steps[0]")]),
    "too-many-texts-to-join": (
        Program((Step("concat", (Constant("a"),) * (MAX_VARIADIC + 1)),), ZERO),
        [("bad-argument", "steps[0]")],
    ),
    "a-text-for-a-number": (
        Program((Step("add", (N, T)),), ZERO), [("bad-argument", "steps[0].args[1]")],
    ),
    "a-spelling-is-text": (
        Program((Step("neg", (SpellingOf("n"),)),), ZERO),
        [("bad-argument", "steps[0].args[0]")],
    ),
    "a-list-is-no-number": (
        Program((Step("neg", (SlotValueOf("ns"),)),), ZERO),
        [("bad-argument", "steps[0].args[0]")],
    ),
    "a-number-is-no-list": (
        Program((Step("sum", (N,)),), ZERO), [("bad-argument", "steps[0].args[0]")],
    ),
    "texts-are-not-added": (
        Program((Step("sum", (SlotValueOf("ts"),)),), ZERO),
        [("bad-argument", "steps[0].args[0]")],
    ),
    "a-separator-that-may-be-too-long": (
        Program((Step("join", (SlotValueOf("ts"), T)),), ZERO),
        [("program-too-large", "steps[0]")],
    ),
    "an-unknown-slot-in-a-step": (
        Program((Step("neg", (SlotValueOf("z"),)),), ZERO),
        [("unknown-slot", "steps[0].args[0]")],
    ),
    "an-unknown-slot-in-the-answer": (
        Program((), AnswerObject((("a", AnswerList((AnswerValue(SpellingOf("z")),))),))),
        [("unknown-slot", "answer.a[0]")],
    ),
    "a-step-may-not-use-itself": (
        Program((Step("neg", (StepValue(0),)),), ZERO), [("bad-argument", "steps[0].args[0]")],
    ),
    "nor-a-negative-step": (
        Program((Step("neg", (StepValue(-1),)),), ZERO), [("bad-argument", "steps[0].args[0]")],
    ),
    "the-answer-is-no-table": (
        Program((), AnswerValue(Table({}))), [("bad-argument", "answer")],
    ),
    "a-number-that-may-grow-too-long": (
        Program((Step("pow", (N, N)), Step("mul", (StepValue(0), StepValue(0)))), ZERO),
        [("program-too-large", "steps[1]")],
    ),
    "an-answer-that-may-grow-too-long": (
        Program((), AnswerList((AnswerValue(T),) * 10)), [("program-too-large", "answer")],
    ),
    "too-many-steps": (
        Program((Step("neg", (N,)),) * (MAX_STEPS + 1), ZERO), [("program-too-large", "steps")],
    ),
    "all-problems-at-once": (
        Program((Step("root", ()), Step("add", (N,))), AnswerValue(SlotValueOf("z"))),
        [("unknown-operator", "steps[0]"), ("bad-argument", "steps[1]"),
         ("unknown-slot", "answer")],
    ),
    "a-step-after-a-bad-one-is-not-blamed": (
        Program((Step("root", ()), Step("neg", (StepValue(0),))), AnswerValue(StepValue(1))),
        [("unknown-operator", "steps[0]")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems(name: str) -> None:
    program, expected = PROBLEMS[name]
    types: dict[str, SlotType] = {"n": "number", "t": "text", "ns": "numbers", "ts": "texts"}
    found = check(program, types)
    assert isinstance(found, tuple)
    assert [(problem.code, problem.place) for problem in found] == expected


DOCUMENTS: dict[str, tuple[Json, Json, str]] = {
    "steps-that-are-no-list": ({}, {"constant": 0}, "steps"),
    "an-extra-field": ([{"op": "neg", "args": [], "x": 0}], {"constant": 0}, "steps[0]"),
    "an-argument-of-two-sorts": (
        [{"op": "neg", "args": [{"slot": "a", "step": 0}]}],
        {"constant": 0},
        "steps[0].args[0]",
    ),
    "a-truth-for-a-step": ([{"op": "neg", "args": [{"step": True}]}], 0, "steps[0].args[0]"),
    "a-number-that-is-none": ([{"op": "neg", "args": [{"number": "1.5"}]}], 0, "steps[0].args[0]"),
    "a-denominator-of-nought": (
        [{"op": "neg", "args": [{"number": "1/0"}]}],
        0,
        "steps[0].args[0]",
    ),
    "an-answer-of-two-sorts": ([], {"value": {"slot": "a"}, "constant": 0}, "answer"),
    "a-bad-leaf": ([], {"object": {"a": {"list": [{}]}}}, "answer.a[0]"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_malformed_document_has_a_place(name: str) -> None:
    steps, answer, place = DOCUMENTS[name]
    problem = program_from_json(steps, answer)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.place) == ("bad-document", place)


def test_an_answer_nested_too_deeply_is_a_problem() -> None:
    answer: Json = {"constant": 0}
    for _ in range(MAX_ANSWER_DEPTH - 1):
        answer = {"list": [answer]}
    assert isinstance(program_from_json([], answer), Program)
    assert isinstance(program_from_json([], {"list": [answer]}), Problem)


def test_slots_used_are_those_of_steps_and_answer() -> None:
    program = Program((Step("neg", (N,)),), AnswerList((AnswerValue(SpellingOf("t")),)))
    assert slots_used(program) == {"n", "t"}


SLOTS: dict[str, SlotType] = {
    "n": "number", "m": "number", "t": "text", "ns": "numbers", "ts": "texts",
}  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-20, 20),
    st.integers(-(10**30), 10**30),
    st.fractions(max_denominator=100),
    st.just(10**390 + 7),
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    types: list[Type] = []
    steps: list[Step] = []

    def drawn(wanted: Type) -> Argument:
        options: list[st.SearchStrategy[Argument]] = []
        earlier = [i for i, t in enumerate(types) if t == wanted]
        if earlier:
            options += [st.sampled_from(earlier).map(StepValue)] * 3
        if wanted == "number":
            options += [st.sampled_from("nm").map(SlotValueOf), NUMBERS.map(Constant)]
        elif wanted == "text":
            options += [st.sampled_from([T, SpellingOf("n"), SpellingOf("t")])]
            options += [st.text("aß", max_size=3).map(Constant)]
        elif wanted in ("numbers", "texts"):
            options += [st.just(SlotValueOf("ns" if wanted == "numbers" else "ts"))]
        elif wanted == "truth":
            options += [st.booleans().map(Constant)]
        else:
            options += [st.just(Table({"a": "x", "ß": "y", "": 1}))]
        return draw(st.one_of(options))

    for _ in range(draw(st.integers(0, 6))):
        operator = OPERATORS[draw(st.sampled_from(sorted(OPERATORS)))]
        count = draw(st.integers(1, 4)) if operator.variadic else 0
        arguments = tuple(drawn(parameter) for parameter in operator.parameters_for(count))
        steps.append(Step(operator.name, arguments))
        types.append(operator.result)
    leaves: list[Answer] = [AnswerValue(StepValue(i)) for i in range(len(steps))]
    leaves += [AnswerValue(N), AnswerValue(T), AnswerConstant({"k": [1, "é"]})]
    leaves += [AnswerValue(SlotValueOf("ns")), AnswerValue(SlotValueOf("ts"))]
    return Program(tuple(steps), draw(answers(leaves)))


def answers(leaves: list[Answer]) -> st.SearchStrategy[Answer]:
    return st.recursive(
        st.sampled_from(leaves),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda items: AnswerList(tuple(items))),
            st.dictionaries(st.sampled_from("ab"), inner, max_size=2).map(
                lambda fields: AnswerObject(tuple(sorted(fields.items(), key=lambda f: f[0])))
            ),
        ),
        max_leaves=3,
    )


def size(answer: Json) -> int:
    """The characters of an answer as JSON without blanks, before any escapes."""
    if isinstance(answer, str):
        return len(answer) + 2
    if isinstance(answer, Mapping):
        return 1 + max(1, sum(len(k) + 4 + size(v) for k, v in answer.items()))
    if isinstance(answer, list):
        return 1 + max(1, sum(1 + size(item) for item in answer))
    return len(str(answer))


BINDINGS: st.SearchStrategy[Bindings] = st.builds(
    bound,
    n=NUMBERS.map(lambda number: whole(Fraction(Fraction(number).numerator, 8))),
    m=st.integers(-3, 3),
    t=st.sampled_from(["", "a", "ß", "ß" * 1990]),
    ns=st.lists(
        st.integers(-3, 3) | st.fractions(max_denominator=64), min_size=1, max_size=MAX_ITEMS
    ).map(lambda numbers: tuple(map(whole, numbers)))
    | st.sampled_from([(10**399 + 7,) * 5, (F(-1, 2**300),) * 20]),
    ts=st.lists(st.sampled_from(["", "a", "ß" * 30]), min_size=1, max_size=MAX_ITEMS).map(tuple),
)  # fmt: skip


def test_cost_and_answer_size_stay_within_the_bound() -> None:
    seen: Counter[str] = Counter()
    nothing = Program((Step("div", (N, Constant(0))),), AnswerValue(StepValue(0)))
    written = [nothing, *(rows[0] for rows in (*RUNS.values(), *PROBLEMS.values()))]

    @settings(max_examples=200)
    @given(st.one_of(programs(), programs(), st.sampled_from(written)), BINDINGS)
    def checked(program: Program, bindings: Bindings) -> None:
        wire = program_to_json(program)
        assert program_from_json(wire["steps"], wire["answer"]) == program
        limit = check(program, SLOTS)
        if isinstance(limit, tuple):
            seen["problems"] += 1
            return
        found = compile_program(program)(bindings)
        careful = careful_run(program)(bindings)
        assert repr(found) == repr(careful)  # a bool is not 1, an int no fraction
        seen[type(found).__name__] += 1
        seen["lists"] += isinstance(found, Computed) and any(
            type(value) is tuple for value in found.steps
        )
        seen["lazy"] += any(step.operator in LAZY for step in program.steps)
        if isinstance(found, Computed):
            assert found.cost <= limit.steps
            assert size(found.answer) <= limit.answer_size

    checked()
    assert min(seen[k] for k in ("problems", "Computed", "Failure", "lazy", "lists")) > 0, seen
