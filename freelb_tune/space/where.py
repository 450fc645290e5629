"""Conditions that a configuration must meet: `where: [adversary.init_mag <= adversary.max_norm]`.

Room: space. Evaluated by simpleeval: comparisons and arithmetic, no Python.
"""

import re
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from freelb_tune.errors import unknown_name

__all__ = ["Conditions", "check_condition"]

NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def check_condition(text: Any, known: Sequence[str]) -> str | None:
    """Why a condition cannot be read, or None."""
    if not isinstance(text, str):
        return (
            f"expected a condition such as adversary.init_mag <= adversary.max_norm, got {text!r}"
        )
    for name in NAME.findall(text):
        if name not in known:
            return unknown_name(name, known)
    try:
        SimpleEval().parse(text)
    except (InvalidExpression, SyntaxError, ValueError) as err:
        return f"{text!r} is no condition: {err}"
    return None


class Conditions:
    """Conditions parsed once and asked of many configurations."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._evaluator = SimpleEval()
        self._parsed = [self._evaluator.parse(text) for text in texts]

    def hold(self, settings: Mapping[str, Any]) -> bool:
        """Whether all conditions hold.

        A condition over a setting that is none, or that the configuration's method does not have,
        says nothing about it and excludes nothing.

        Raises:
            InvalidExpression: a condition asks for something it may not, as a function.
        """
        if not self._parsed:
            return True
        sections: dict[str, SimpleNamespace] = {}
        for name, value in settings.items():
            section, _, leaf = name.partition(".")
            sections.setdefault(section, SimpleNamespace()).__dict__[leaf or "value"] = value
        self._evaluator.names = sections
        for text, parsed in zip(self._texts, self._parsed, strict=True):
            if any(settings.get(name) is None for name in NAME.findall(text)):
                continue
            if not self._evaluator.eval(text, previously_parsed=parsed):
                return False
        return True
