"""ManyTasks' search.json: every command that it would run.

Room: space, importing. The syntax of dugu9sword/manytasks 2.3 (taskpool_loader.py): JSON with
comments and trailing commas; lists, `$<1:6:2>`, `$<a|b>` and `$<?>` are spanned, `${--key}` takes
another flag's value, slices and cases of it. What reads files or runs Python is refused.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.importing.runs import Command, Notes

__all__ = ["read_manytasks"]

_ON, _OFF = "$_ON_", "$_OFF_"
_MOST = 100_000
_RANGE = re.compile(r"(-?\d+):(-?\d+)(?::(-?\d+))?(?:;(\d+))?")
_SLICE = re.compile(r"([^\[]+)\[(\d*):(-?\d*)\]")
_CASES = re.compile(r"([^\[]+)\[([^:\]]+:.*)\]")
_TOKENS = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|#[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*\n|'
                     r"#[^\n]*\n|/\*.*?\*/)*[\]}])", re.DOTALL)  # fmt: skip

Pairs = list[tuple[str | None, list[str]]]


def read_manytasks(path: Path, text: str, notes: Notes) -> tuple[list[Command], dict[str, Any]]:
    """Span a search.json.

    Args:
        path: the file, for messages.
        text: what it says.
        notes: takes down what has no counterpart.

    Returns:
        The commands in ManyTasks' order, and the resources that they are given.

    Raises:
        FreeLBTuneError: it is no search.json, or spans by something that is not read.
    """
    content = _parse(path, text)
    configs = content.get("configs")
    if not isinstance(configs, dict) or not isinstance(configs.get("==base=="), list):
        raise FreeLBTuneError(f"{path}: is no ManyTasks file; configs has no list ==base==")
    more = configs.get("==more==") or [[]]
    if not isinstance(more, list) or not all(isinstance(each, list) for each in more):
        raise FreeLBTuneError(f"{path}: configs.==more==: expected a list of lists")
    for key in configs.keys() - {"==base==", "==more=="}:
        raise FreeLBTuneError(f"{path}: configs.{key}: only ==base== and ==more== are read")
    base = _pairs(path, configs["==base=="])
    commands: list[Command] = []
    for each in more:
        for arguments in _spanned(path, base + _pairs(path, each)):
            place = f"{path}: run {len(commands) + 1}"
            commands.append(_command(str(content.get("executor", "")), arguments, place, notes))
    known = {"executor", "configs", "cuda", "cuda_per_task", "concurrency"}
    for key in sorted(content.keys() - known):
        notes.add(f"NOT UNDERSTOOD, left out: {key}: {json.dumps(content[key])}")
    return commands, _resources(content, notes)


def _parse(path: Path, text: str) -> dict[str, Any]:
    def blank(found: re.Match[str]) -> str:
        token = found[0]
        return token if token.startswith('"') else re.sub(r"[^\n]", " ", token)

    try:
        content = json.loads(_TOKENS.sub(blank, text))
    except json.JSONDecodeError as err:
        raise FreeLBTuneError(f"{path}: line {err.lineno}: not JSON: {err.msg}") from err
    except (ValueError, RecursionError) as err:  # a number or a nesting beyond all measure
        raise FreeLBTuneError(f"{path}: not JSON that can be read: {err}") from err
    if not isinstance(content, dict):
        raise FreeLBTuneError(f"{path}: is no ManyTasks file; expected executor and configs")
    return content


def _is_key(item: Any) -> bool:
    if not isinstance(item, str) or not item.startswith("-"):
        return False
    try:
        float(item)
    except ValueError:
        return True
    return False


def _pairs(path: Path, items: Sequence[Any]) -> Pairs:
    """Flags with the values that each may take; None is the flag of a word without one."""
    pairs: Pairs = []
    waiting: str | None = None
    for item in items:
        if _is_key(item):
            if waiting:
                pairs.append((waiting, [_ON]))
            waiting = item
            continue
        values = [str(v) for v in item] if isinstance(item, list) else _expand(path, str(item))
        if isinstance(item, list):
            _check_listed(path, item)
        pairs.append((waiting, values))
        waiting = None
    return [*pairs, (waiting, [_ON])] if waiting else pairs


def _check_listed(path: Path, values: Sequence[Any]) -> None:
    for value in values:
        if isinstance(value, list | dict) or (isinstance(value, str) and "$<" in value):
            raise FreeLBTuneError(
                f"{path}: {json.dumps(value)} stands in a list, where ManyTasks does not span it; "
                "write its values out"
            )


def _expand(path: Path, text: str) -> list[str]:
    """The texts that the `$<...>` in a text make of it."""
    if re.fullmatch(r"\{.*\}", text) or re.match(r"<.*\[--?\w", text):
        raise FreeLBTuneError(
            f"{path}: {text!r} is an older ManyTasks' way to run Python or to refer to a flag; "
            "write a list, or ${--flag}"
        )
    parts = re.split(r"(\$<[^>]*>)", text)
    choices = [_span(path, p) if p.startswith("$<") else [p] for p in parts]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _span(path: Path, text: str) -> list[str]:
    inner = text[2:-1]
    if inner == "?":
        return [_ON, _OFF]
    found = _RANGE.fullmatch(inner)
    if found:
        start, end, step = int(found[1]), int(found[2]), int(found[3] or 1)
        values = [str(i).zfill(int(found[4] or 0)) for i in range(start, end, step)] if step else []
        if not values:
            raise FreeLBTuneError(f"{path}: {text} spans nothing")
        return values
    if "|" in inner and all(inner.split("|")):
        return inner.split("|")
    raise FreeLBTuneError(
        f"{path}: {text} is not read; known: $<1:6:2>, $<1:6;3>, $<a|b>, $<?> (files: and lines: "
        "are not: write their values as a list)"
    )


def _spanned(path: Path, pairs: Pairs) -> Iterator[list[tuple[str | None, str]]]:
    count = math.prod(len(values) for _, values in pairs)
    if count > _MOST:
        raise FreeLBTuneError(f"{path}: spans {count:,} runs, more than {_MOST:,}")
    keys = [key for key, _ in pairs]
    for chosen in itertools.product(*(values for _, values in pairs)):
        yield _referred(path, list(zip(keys, chosen, strict=True)))


def _referred(path: Path, arguments: list[tuple[str | None, str]]) -> list[tuple[str | None, str]]:
    """The arguments with each `${...}` replaced by the value that it names, from left to right."""
    done = list(arguments)
    for place, (key, text) in enumerate(arguments):
        for _ in range(100):
            found = re.search(r"\$\{([^}]+)\}", text)
            if not found:
                break
            text = text[: found.start()] + _value(path, found[1], done) + text[found.end() :]
        else:
            raise FreeLBTuneError(f"{path}: {arguments[place][1]} refers to itself")
        done[place] = (key, text)
    return done


def _value(path: Path, reference: str, arguments: Sequence[tuple[str | None, str]]) -> str:
    cut, cases = _SLICE.fullmatch(reference), _CASES.fullmatch(reference)
    found = cut or cases
    name = str(found[1]) if found else reference
    words = [value for key, value in arguments if key is None]
    values: dict[str, str] = {}
    for key, value in reversed(arguments):  # the first of two flags of one name, as ManyTasks
        if key is not None:
            values |= {key: value, key.lstrip("-"): value}
    values |= {str(i): word for i, word in enumerate(words, 1)}
    if name not in values:
        raise FreeLBTuneError(
            f"{path}: ${{{reference}}} refers to a flag that is not there; known: "
            f"{', '.join(sorted(k for k in values if k.startswith('-')))}"
        )
    value = values[name]
    if cut:
        return value[int(cut[2] or 0) : int(cut[3]) if cut[3] else None]
    if cases:
        table: dict[str, str] = dict(re.findall(r"([^:,]+):([^,]+)", cases[2]))
        if value not in table and "_" not in table:
            raise FreeLBTuneError(f"{path}: ${{{reference}}} has no case for {value!r}")
        return table.get(value, table.get("_", ""))
    return value


def _command(
    executor: str, arguments: Sequence[tuple[str | None, str]], place: str, notes: Notes
) -> Command:
    flags: dict[str, str | None] = {}
    words = []
    for key, value in arguments:
        if key is None:
            words.append(value)
        elif value != _OFF:
            if key in flags:
                notes.add(f"{key} stands twice; the later value counts")
            flags[key] = None if value == _ON else value
    return Command(executor, flags, tuple(words), place)


def _resources(content: dict[str, Any], notes: Notes) -> dict[str, Any]:
    cuda, each = content.get("cuda", []), content.get("cuda_per_task", 1)
    resources: dict[str, Any] = {}
    if cuda not in ([], -1, [-1]):
        resources["gpu"] = each
        if isinstance(cuda, list):
            notes.add(
                f"cuda {json.dumps(cuda)}: Ray gives each trial its GPU; CUDA_VISIBLE_DEVICES "
                "limits which"
            )
    if isinstance(content.get("concurrency"), int):
        resources["max_concurrent"] = content["concurrency"]
    elif "concurrency" in content:
        notes.add(f"concurrency {content['concurrency']}: here as many trials as fit")
    return resources
