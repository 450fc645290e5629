"""The project's own toy task: sentence pairs that a small grammar makes on the spot.

Room: tasks. Nothing in, pairs out; plain Python.

`entailment_toy` is synthetic: its text is nobody's, its labels follow from the grammar without
noise, and its accuracies compare with nothing published. It exists so that a first search needs
no download and still has something to learn.

What is asked is monotonicity. Every word stands in a small tree of broader and narrower ones. A
premise ("no child cleans any fruit upstairs") entails a hypothesis whose changed words all went
the way its quantifier allows: up to a broader word after "some", down to a narrower one after
"no", and after "every" down in the subject but up in the rest. A pair fails by a word that went
the wrong way, by a word of another branch, or by another quantifier. No single word tells the
label; half of each split has each.
"""

import random
from dataclasses import dataclass

__all__ = ["TOY_LABELS", "TOY_SIZES", "TOY_VERSION", "toy_pairs"]

TOY_VERSION = 1
"""Raised by hand whenever the grammar gives other pairs; part of the data's fingerprint."""

TOY_LABELS = ("entailment", "not_entailment")

TOY_SIZES = {"dev": 400, "train": 2000}
"""Pairs per split, in the order in which they are drawn."""

_TREES: dict[str, dict[str, dict[str, list[str]]]] = {
    "agent": {
        "person": {"child": ["girl", "boy"], "adult": ["woman", "man"]},
        "animal": {"pet": ["dog", "cat"], "bird": ["duck", "crow"]},
    },
    "action": {
        "uses": {"cleans": ["washes", "wipes"], "moves": ["pushes", "pulls"]},
        "sees": {"studies": ["reads", "sketches"], "finds": ["spots", "unearths"]},
    },
    "thing": {
        "treat": {"fruit": ["peach", "pear"], "pastry": ["roll", "bun"]},
        "tool": {"dish": ["cup", "plate"], "toy": ["ball", "doll"]},
    },
    "place": {
        "outside": {
            "on grass": ["in the garden", "in the park"],
            "on stone": ["in the street", "in the yard"],
        },
        "inside": {
            "upstairs": ["in the bedroom", "in the attic"],
            "downstairs": ["in the kitchen", "in the cellar"],
        },
    },
}
_ARTICLE = {"some": "a", "every": "a", "no": "any"}
_OTHER_QUANTIFIER = {"some": ["no"], "every": ["no"], "no": ["some", "every"]}
_FOREIGN_SHARE = 0.3  # of the pairs that fail: a word of another branch
_QUANTIFIER_SHARE = 0.1  # of the pairs that fail: another quantifier; the rest go the wrong way


@dataclass(frozen=True)
class _Word:
    """Where a premise's word stands: what is above it, below it, and of no kin to it."""

    broader: list[str]
    narrower: list[str]
    foreign: list[str]

    def step(self, upward: bool) -> list[str]:
        return self.broader if upward else self.narrower


def _index(tree: dict[str, dict[str, list[str]]]) -> dict[str, _Word]:
    index = {}
    for top, middles in tree.items():
        for middle, leaves in middles.items():
            branches = [(m, below) for ms in tree.values() for m, below in ms.items()]
            foreign = [w for m, below in branches if m != middle for w in (m, *below)]
            foreign += [other for other in tree if other != top]
            index[middle] = _Word([top], leaves, foreign)
    return index


_SLOTS = {slot: _index(tree) for slot, tree in _TREES.items()}


def _upward(quantifier: str, slot: str) -> bool:
    return quantifier == "some" or (quantifier == "every" and slot != "agent")


def _sentence(quantifier: str, words: dict[str, str]) -> str:
    article = _ARTICLE[quantifier]
    start = (quantifier, words["agent"], words["action"], article, words["thing"])
    return " ".join((*start, words["place"]))


def _draw(rng: random.Random, label: int) -> tuple[str, str]:
    quantifier = rng.choice(list(_ARTICLE))
    premise = {slot: rng.choice(list(index)) for slot, index in _SLOTS.items()}
    hypothesis, other = dict(premise), quantifier
    changed = rng.sample(list(_SLOTS), rng.choice((1, 1, 2, 3)))
    for slot in changed:
        place = _SLOTS[slot][premise[slot]]
        hypothesis[slot] = rng.choice(place.step(_upward(quantifier, slot)))
    if label == 1:
        kind = rng.random()
        if kind < _FOREIGN_SHARE:
            hypothesis[changed[0]] = rng.choice(_SLOTS[changed[0]][premise[changed[0]]].foreign)
        elif kind < _FOREIGN_SHARE + _QUANTIFIER_SHARE:
            other = rng.choice(_OTHER_QUANTIFIER[quantifier])
        else:
            for slot in changed if rng.random() < 0.6 else changed[:1]:
                place = _SLOTS[slot][premise[slot]]
                hypothesis[slot] = rng.choice(place.step(not _upward(quantifier, slot)))
    return _sentence(quantifier, premise), _sentence(other, hypothesis)


def toy_pairs() -> dict[str, list[tuple[str, str, int]]]:
    """Make both splits, always the same ones.

    Returns:
        "train" (2000) and "dev" (400): premise, hypothesis, and the label's place in
        `TOY_LABELS`. Half of each split has each label; no pair occurs twice, in one split or
        across both. Sentences are lower-case words between single spaces, without punctuation.
    """
    seen: set[tuple[str, str]] = set()
    splits = {}
    for split, size in TOY_SIZES.items():
        rng = random.Random(f"entailment_toy/{TOY_VERSION}/{split}")
        labels = [place % 2 for place in range(size)]
        rng.shuffle(labels)
        rows = []
        for label in labels:
            pair = _draw(rng, label)
            while pair in seen:
                pair = _draw(rng, label)
            seen.add(pair)
            rows.append((*pair, label))
        splits[split] = rows
    return splits
