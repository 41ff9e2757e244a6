"""A grammar from texts: phrasings by anti-unification, and their union.

    texts ──► one phrasing each ──► the best pair is merged, again and again ──► (phrasing | …)
                  (alignment)             (choice: description length, guards)

Agglomerative: of all pairs of phrasings the one whose merging shortens the description most is
merged, as long as the result is no wider than texts allow: it covers every text that it was made
from, keeps enough literals and a word with content, and reads no rejected text. What does not merge
stays a phrasing of its own. Divisive clustering first was measured before: one wrong group, and a
phrasing covers nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from artifacts.grammar.lexer import lex
from artifacts.grammar.nfa import GrammarTooLarge, Nfa, compile_nfa, readings
from artifacts.grammar.syntax import Literal, Node, alternatives, sequence
from artifacts.grammar.lexer import literal_keys
from artifacts.learning.grammars.alignment import Cells, Fixed, Run, Varying, cells_of, merged
from artifacts.learning.grammars.choice import choose, text_bits
from artifacts.learning.pieces import pieces_of

MIN_LITERAL_SHARE = 0.4
MIN_CONTENT_LETTERS = 3
MAX_PIECES = 300
MAX_STEPS = 20_000_000
PHRASING_BITS = 8.0
_FUNCTION_WORDS = frozenset(
    "a an and any are as at be but by can could did do does for from had has have he her his how i "
    "if in is it its let me my no not of on or our please she should so some than that the their "
    "them then there these they this those to us was we were what when where which who whose why "
    "will with would you your".split()
)
"""Words that any request may have; the other words of letters say what a text is about."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One template with the texts (by index) that it was made from."""

    cells: Cells
    texts: tuple[int, ...]
    grammar: Node
    bits: float
    literal_share: float
    has_content: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """The union of the phrasings, and the texts that none of them may cover."""

    grammar: Node | None
    phrasings: tuple[Phrasing, ...]
    left_out: tuple[int, ...]
    steps: int


def learn(accepted: Sequence[str], rejected: Sequence[str] = (), *, max_steps: int = MAX_STEPS) -> Learned:
    learner = _Learner(list(accepted), list(rejected), max_steps)
    return learner.run()


@dataclass(slots=True)
class _Learner:
    accepted: list[str]
    rejected: list[str]
    max_steps: int
    steps: int = 0
    tokens: dict[str, object] = field(default_factory=dict)

    def run(self) -> Learned:
        groups: dict[tuple[str, ...], list[int]] = {}
        current: list[Phrasing] = []
        left_out: list[int] = []
        singles = []
        for i, text in enumerate(self.accepted):
            pieces = pieces_of(text)
            if not pieces or len(pieces) > MAX_PIECES:
                left_out.append(i)
                continue
            single = self.described(cells_of(pieces), (i,))
            singles.append((i, single, pieces))
        for i, single, pieces in singles:
            if single is None:
                left_out.append(i)
            else:
                current.append(single)
        cache: dict[tuple[tuple[int, ...], tuple[int, ...]], Phrasing | None] = {}
        while True:
            best = None
            for x in range(len(current)):
                for y in range(x + 1, len(current)):
                    a, b = current[x], current[y]
                    key = (a.texts, b.texts)
                    if key not in cache:
                        cache[key] = self.merge(a, b)
                    m = cache[key]
                    if m is None:
                        continue
                    gain = a.bits + b.bits - m.bits
                    if gain > 0 and (best is None or gain > best[0]):
                        best = (gain, x, y, m)
            if best is None:
                break
            _, x, y, m = best
            bad = not self.may(m)
            if bad:
                cache[current[x].texts, current[y].texts] = None
                continue
            current = [p for k, p in enumerate(current) if k not in (x, y)] + [m]
        kept = [p for p in current if self.may(p)]
        for p in current:
            if p not in kept:
                left_out.extend(p.texts)
        grammar = alternatives(*(p.grammar for p in kept)) if kept else None
        return Learned(grammar, tuple(kept), tuple(sorted(left_out)), self.steps)

    def merge(self, a: Phrasing, b: Phrasing) -> Phrasing | None:
        cost = len(a.cells) * len(b.cells)
        if self.steps + cost > self.max_steps:
            return None
        self.steps += cost
        return self.described(merged(a.cells, b.cells, (len(a.texts), len(b.texts))), a.texts + b.texts)

    def described(self, cells: Cells, texts: tuple[int, ...]) -> Phrasing | None:
        parts: list[Node] = []
        bits = PHRASING_BITS
        fixed = 0.0
        varying = 0.0
        content = False
        count = 0
        for cell in cells:
            if isinstance(cell, Fixed):
                key = cell.piece.key
                parts.append(Literal(literal_keys(key)))
                bits += text_bits(key)
                if cell.piece.kind != "blank":
                    fixed += 1
                    content |= cell.piece.kind == "word" and len(key) >= MIN_CONTENT_LETTERS and key not in _FUNCTION_WORDS
            else:
                runs = ["".join(p.spelling for p in run) for run in cell.runs]
                lead, trail, stripped = "", "", [r.strip() for r in runs]
                full = [r for r in runs if r]
                if full and all(r[:1] == " " for r in full): lead = " "
                if full and all(r[-1:] == " " for r in full): trail = " "
                c = choose(f"s{count + 1}", stripped)
                if c is None:
                    return None
                bits += c.bits
                varying += sum(len([p for p in run if p.kind != "blank"]) for run in cell.runs) / len(runs)
                node = c.node
                if isinstance(node, Literal):
                    fixed += 1
                else:
                    count += 1
                if lead or trail:
                    from artifacts.grammar.syntax import Repeat
                    if isinstance(node, Repeat):
                        node = Repeat(sequence(Literal((" ",)) if lead else sequence(), node.part, Literal((" ",)) if trail else sequence()), 0, 1)
                    else:
                        node = sequence(Literal((" ",)) if lead else sequence(), node, Literal((" ",)) if trail else sequence())
                parts.append(node)
        return Phrasing(cells, texts, sequence(*parts), bits, fixed / (fixed + varying or 1), content)

    def may(self, p: Phrasing) -> bool:
        if p.literal_share < MIN_LITERAL_SHARE or not p.has_content:
            return False
        try:
            nfa = compile_nfa(p.grammar)
        except GrammarTooLarge:
            return False
        if not all(reads(nfa, self.accepted[i]) for i in p.texts):
            return False
        return not any(reads(nfa, r) for r in self.rejected)


def reads(nfa: Nfa, text: str) -> bool:
    tokens = lex(text)
    if isinstance(tokens, str):
        return False
    found = readings(nfa, tokens)
    return not isinstance(found, tuple) or bool(found)
