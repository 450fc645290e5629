"""Conditions that a configuration must meet: `where: [adversary.init_mag <= adversary.max_norm]`.

Room: space. Evaluated by simpleeval: comparisons and arithmetic, no Python.
"""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes, InvalidExpression

from freelb_tune.errors import unknown_name
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.values import Value

__all__ = ["Conditions", "check_condition"]

_EXAMPLE = "such as adversary.init_mag <= adversary.max_norm"
_WORDS = {"null": None, "none": None, "true": True, "false": False}
_MEMBERSHIP = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot, ast.Not)


class _NoValueError(Exception):
    """A condition orders or reckons with a setting that is null."""


def _guarded(operate: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*values: Any) -> Any:
        if any(value is None for value in values):
            raise _NoValueError
        return operate(*values)

    return guarded


_OPERATORS = {
    kind: operate if kind in _MEMBERSHIP else _guarded(operate)
    for kind, operate in DEFAULT_OPERATORS.items()
}
_FUNCTIONS = {kind.__name__: _guarded(kind) for kind in (abs, max, min, round)}


def check_condition(text: Any, known: Collection[str]) -> str | None:
    """Why a condition cannot be read, or None.

    Args:
        text: the condition.
        known: dotted names of settings.
    """
    if not isinstance(text, str):
        return f"expected a condition {_EXAMPLE}, got {text!r}"
    try:
        names = _Condition(text).names
    except (SyntaxError, ValueError, RecursionError) as err:
        told = getattr(err, "msg", None) or err
        return f"{text!r} is no condition ({told}); write one {_EXAMPLE}"
    for name in names:
        if name not in known:
            hint = unknown_name(name, known).split("known:")[0].rstrip("; ")
            return f"{hint}; a setting stands with its section, as adversary.adv_lr does"
    return None


class Conditions:
    """Conditions parsed once and asked of many configurations."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._conditions = [_Condition(text) for text in texts]

    def hold(self, settings: Mapping[str, Value]) -> bool:
        """Whether all conditions hold.

        A condition that orders or reckons with a setting that is null, or that the
        configuration's method does not have, says nothing and excludes nothing. Whether a setting
        is null can be asked: `adversary.max_norm != null`.

        Raises:
            Refusal: a condition cannot be evaluated, or is neither true nor false.
        """
        return all(condition.holds(settings) for condition in self._conditions)


class _Condition:
    """One condition; what it says is remembered for each combination of the values it names."""

    def __init__(self, text: str) -> None:
        self._text = text
        dotted = _Dotted()
        self._parsed = dotted.visit(ast.parse(text.strip(), mode="eval").body)
        self.names = tuple(dotted.names)
        self._evaluator = EvalWithCompoundTypes(operators=_OPERATORS, functions=dict(_FUNCTIONS))
        self._known: dict[str, bool] = {}

    def holds(self, settings: Mapping[str, Value]) -> bool:
        values = {name: settings.get(name) for name in self.names}
        key = repr(values)
        if key not in self._known:
            self._known[key] = self._evaluate(values)
        return self._known[key]

    def _evaluate(self, values: Mapping[str, Value]) -> bool:
        self._evaluator.names = {**_WORDS, **values}
        told = ", ".join(f"{name} {value!r}" for name, value in values.items())
        try:
            found = self._evaluator.eval(self._text, previously_parsed=self._parsed)
        except _NoValueError:
            return True
        except (InvalidExpression, ArithmeticError, TypeError, ValueError, LookupError) as err:
            raise Refusal(
                f"where: {self._text!r} cannot be evaluated at {told or 'all'}: {err}"
            ) from err
        if not isinstance(found, bool):
            raise Refusal(
                f"where: {self._text!r} is {found!r} at {told or 'all'}, neither true nor false; "
                f"write a comparison, {_EXAMPLE}"
            )
        return found


class _Dotted(ast.NodeTransformer):
    """Makes one name of `adversary.init_mag`, and lists the names that are settings."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # noqa: N802 - ast's own name
        name = ast.unparse(node)
        self.names[name] = None
        return ast.copy_location(ast.Name(id=name, ctx=ast.Load()), node)

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 - ast's own name
        if node.id not in _WORDS and node.id not in _FUNCTIONS:
            self.names[node.id] = None
        return node
