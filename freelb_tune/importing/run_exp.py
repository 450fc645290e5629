"""A launch script of the FreeLB repository: every command that its `run_exp` rows run.

Room: space, importing. Reads a shell function whose arguments become variables of one `python`
command, and the rows that call it. It is not a shell: a line that it does not read is told.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.importing.runs import Command, Notes

__all__ = ["read_run_exp"]

_FUNCTION = re.compile(r"\s*(?:function\s+(\w+)\s*(?:\(\))?|(\w+)\s*\(\))\s*\{\s*$")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_ENDS = re.compile(r"[0-9]*>|[|&;]")
Lines = Sequence[tuple[int, str]]


def read_run_exp(path: Path, text: str, notes: Notes, *, commented: bool = False) -> list[Command]:
    """The commands of a script's rows.

    Args:
        path: the script, for messages.
        text: what it says.
        notes: takes down rows and lines that are left out.
        commented: read rows that are commented out too.

    Raises:
        FreeLBTuneError: it has no function with a `python` command, no row, or a row that lacks an
            argument.
    """
    lines = list(enumerate(text.splitlines(), 1))
    functions, rest = _functions(path, lines)
    commands, skipped = [], []
    for number, line in rest:
        words = line.split()
        bare = line.lstrip("# \t").split()
        if not words:
            continue
        if bare and bare[0] in functions and (not line.lstrip().startswith("#") or _is_row(bare)):
            if line.lstrip().startswith("#") and not commented:
                skipped.append(number)
                continue
            place = f"{path}: line {number}"
            commands.append(_command(functions[bare[0]], bare[1:], place))
        elif not words[0].startswith("#"):
            notes.add(f"NOT UNDERSTOOD, left out: line {number}: {line.strip()}")
    if skipped:
        are, those = ("is", "line") if len(skipped) == 1 else ("are", "lines")
        notes.add(
            f"{counted(len(skipped), 'row')} {are} commented out and left out ({those} "
            f"{', '.join(map(str, skipped))}); --commented reads them too"
        )
    if not commands:
        hint = "; --commented reads the rows that are commented out" if skipped else ""
        raise FreeLBTuneError(f"{path}: no row calls {' or '.join(functions)}{hint}")
    return commands


def _is_row(words: Sequence[str]) -> bool:
    """Whether a commented line is a row, and not the heading over the rows."""
    return any(re.match(r"-?\.?\d", word) for word in words[1:])


def _functions(path: Path, lines: Lines) -> tuple[dict[str, list[tuple[int, str]]], Lines]:
    """Each function's lines by its name, and the lines outside."""
    functions: dict[str, list[tuple[int, str]]] = {}
    rest: list[tuple[int, str]] = []
    inside: list[tuple[int, str]] | None = None
    for number, line in lines:
        found = _FUNCTION.match(line)
        if found and inside is None:
            inside = functions.setdefault(found[1] or found[2], [])
        elif inside is None:
            rest.append((number, line))
        elif line.strip() == "}":
            inside = None
        else:
            inside.append((number, line))
    functions = {name: body for name, body in functions.items() if _python_line(body)}
    if not functions:
        raise FreeLBTuneError(
            f"{path}: is neither a ManyTasks file nor a launch script; a script has a function, "
            "such as run_exp, with one python command, and rows that call it"
        )
    return functions, rest


def _joined(body: Lines) -> Iterator[tuple[int, str]]:
    """A function's lines with those that end in a backslash joined; a comment joins nothing."""
    whole, start = "", 0
    for number, line in body:
        start = start if whole else number
        if line.lstrip().startswith("#"):
            if whole:
                yield start, whole
            whole = ""
        elif line.rstrip().endswith("\\"):
            whole += line.rstrip()[:-1] + " "
        else:
            yield start, whole + line
            whole = ""
    if whole:
        yield start, whole


def _python_line(body: Lines) -> str | None:
    lines = [line for _, line in _joined(body) if re.search(r"(^|\s)python[\d.]*\s", line)]
    return lines[0] if lines else None


def _command(body: Lines, arguments: Sequence[str], place: str) -> Command:
    for index, word in enumerate(arguments):
        if word.startswith("#"):
            arguments = arguments[:index]
            break
    if any("$" in word for word in arguments):
        raise FreeLBTuneError(f"{place}: has a variable; write the row out with its values")
    if arguments and arguments[-1] == "&":
        arguments = arguments[:-1]
    variables = {str(i): word for i, word in enumerate(arguments, 1)}
    python = _python_line(body)
    assert python is not None  # `_functions` kept only those that have one
    most = max((int(n) for _, line in body for n in re.findall(r"\$\{?(\d+)", line)), default=0)
    if len(arguments) != most:
        raise FreeLBTuneError(
            f"{place}: has {len(arguments)} values, and its function reads {most}"
        )
    for _, line in _joined(body):
        found = _ASSIGNMENT.match(line.partition(" #")[0].partition("\t#")[0])
        if found and "python" not in line:
            variables[found[1]] = _filled(found[2].strip().strip("'\""), variables)
    return _split(_words(_filled(python, variables), place), place)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: variables.get(m[1] or m[2], m[0]), text)


def _words(text: str, place: str) -> list[str]:
    try:
        words = shlex.split(text, comments=True)
    except ValueError as err:
        raise FreeLBTuneError(f"{place}: the command cannot be read: {err}") from err
    end = next((i for i, word in enumerate(words) if _ENDS.match(word)), len(words))
    return words[:end]


def _split(words: list[str], place: str) -> Command:
    """Environment, program, flags and other words of a command."""
    gpus = 1
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in ("nohup", "time", "exec")):
        name, _, value = words.pop(0).partition("=")
        if name == "CUDA_VISIBLE_DEVICES":
            gpus = len([each for each in value.split(",") if each])
    program, words = " ".join(words[:2]), words[2:]
    flags: dict[str, str | None] = {}
    others: list[str] = []
    waiting: str | None = None
    for word in words:
        if re.match(r"--?[A-Za-z]", word):
            waiting, equals, value = word.partition("=")
            flags[waiting] = value if equals else None
            waiting = None if equals else waiting
        elif waiting:
            flags[waiting], waiting = word, None
        else:
            others.append(word)
    return Command(program, flags, tuple(others), place, max(gpus, 1))
