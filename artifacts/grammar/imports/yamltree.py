"""YAML with places, by composing nodes and never objects.

`safe_load` loses lines and columns, and follows aliases: a few hundred bytes of aliases to aliases
make a document of any size. Events are counted before anything recursive sees them, and what an
alias repeats is counted wherever it stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from artifacts.grammar.imports.report import MAX_DEPTH, Place, Refusal, place_at

MAX_ITEMS = 200_000
"""Scalars, lists and mappings of a file, those behind an alias counted wherever it stands."""


class MissingExtra(Exception):
    """The library that reads YAML is not installed."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar: its text, its type ("str", "int", "float", "bool", "null"), where it begins.

    `exact` is where its first character stands when each further one stands a column later.
    """

    text: str
    type: str
    at: Place
    exact: Place | None

    def place(self, offset: int) -> Place:
        """Return where a character of the text stands; where the scalar begins if not known."""
        return self.at if self.exact is None else (self.exact[0], self.exact[1] + offset)


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Tree", ...]
    at: Place


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping, with the scalars that are its keys."""

    fields: dict[str, "Tree"]
    keys: dict[str, Scalar]
    at: Place


Tree = Scalar | Items | Fields


def read_yaml(text: str) -> Tree:
    """Return the tree of the one YAML document in a text; raise Refusal or MissingExtra."""
    try:
        import yaml
    except ImportError:  # pragma: no cover - the tests have it
        message = "hassil files are YAML: install the extra `import` of kappa-pipeline"
        raise MissingExtra(message) from None
    try:
        _check_events(yaml.parse(text, Loader=yaml.SafeLoader))
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Refusal("grammar-syntax", place, f"not YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        place = place_at(text, error.position)
        raise Refusal("grammar-syntax", place, f"not YAML: {error.reason}") from None
    if node is None:
        raise Refusal("grammar-syntax", (1, 1), "expected a mapping, found an empty document")
    return _Reader(text).tree(node, 0)


def _place(mark: object) -> Place:
    return getattr(mark, "line", 0) + 1, getattr(mark, "column", 0) + 1


def _check_events(events: Iterator[object]) -> None:
    depth = 0
    for count, event in enumerate(events):
        name = type(event).__name__
        place = _place(getattr(event, "start_mark", None))
        if name in ("MappingStartEvent", "SequenceStartEvent"):
            depth += 1
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            depth -= 1
        if depth > MAX_DEPTH:
            message = f"nesting of {depth} levels; the limit is {MAX_DEPTH}"
            raise Refusal("grammar-too-large", place, message)
        if count > 2 * MAX_ITEMS:
            raise Refusal("grammar-too-large", place, f"more than {MAX_ITEMS:,} items")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.seen = 0

    def tree(self, node: object, depth: int) -> Tree:
        import yaml

        self.seen += 1
        assert isinstance(node, yaml.Node)
        at = _place(node.start_mark)
        if self.seen > MAX_ITEMS:
            message = f"more than {MAX_ITEMS:,} items, with what aliases repeat"
            raise Refusal("grammar-too-large", at, message)
        if depth > MAX_DEPTH:
            message = f"nesting deeper than the limit of {MAX_DEPTH}, or an alias to itself"
            raise Refusal("grammar-too-large", at, message)
        if isinstance(node, yaml.ScalarNode):
            kind = node.tag.rpartition(":")[2]
            begin, end = node.start_mark.index, node.end_mark.index
            return Scalar(node.value, kind, at, self.exact(begin, end, node.value, at))
        if isinstance(node, yaml.SequenceNode):
            return Items(tuple(self.tree(item, depth + 1) for item in node.value), at)
        fields: dict[str, Tree] = {}
        keys: dict[str, Scalar] = {}
        for key_node, value_node in node.value:
            key = self.tree(key_node, depth + 1)
            if not isinstance(key, Scalar):
                raise Refusal("bad-document", key.at, "expected a name before ':'")
            if key.text in fields:
                raise Refusal("bad-document", key.at, f"{key.text!r} stands twice in one mapping")
            fields[key.text], keys[key.text] = self.tree(value_node, depth + 1), key
        return Fields(fields, keys, at)

    def exact(self, start: int, end: int, value: str, at: Place) -> Place | None:
        for quotes in (0, 1):
            if self.text[start + quotes : end - quotes] == value:
                return at[0], at[1] + quotes
        return None


def fields_of(tree: Tree | None, what: str) -> Fields:
    if tree is None:
        return Fields({}, {}, (1, 1))
    if not isinstance(tree, Fields):
        raise Refusal("bad-document", tree.at, f"expected a mapping for {what}")
    return tree


def items_of(tree: Tree | None, what: str, at: Place) -> tuple[Tree, ...]:
    if not isinstance(tree, Items):
        raise Refusal("bad-document", tree.at if tree else at, f"expected a list for {what}")
    return tree.items


def scalar_of(tree: Tree | None, what: str, at: Place) -> Scalar:
    if not isinstance(tree, Scalar) or tree.type == "null":
        raise Refusal("bad-document", tree.at if tree else at, f"expected text for {what}")
    return tree


def only_known(tree: Fields, names: set[str]) -> None:
    for name, key in tree.keys.items():
        if name not in names:
            expected = ", ".join(sorted(names))
            raise Refusal("bad-document", key.at, f"{name!r} is unknown; expected {expected}")
