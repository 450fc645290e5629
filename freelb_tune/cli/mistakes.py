"""What to write in place of a command line that cannot be read.

Room: cli. Typer says what is wrong; the typical first mistakes also get an answer.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

__all__ = ["no_such_command", "usage_advice"]

_COMMANDS = {
    "run": "", "train": "", "tune": "", "start": "", "sweep": "", "fit": "", "hpo": "",
    "resume": "", "continue": "",
    "dry-run": "plan --space FILE", "dryrun": "plan --space FILE", "check": "plan --space FILE",
    "validate": "plan --space FILE",
    "list": "spaces", "ls": "spaces", "help": "--help", "version": "--version",
    "show": "status results/NAME", "watch": "status results/NAME --watch",
    "results": "report results/NAME", "table": "report results/NAME",
    "dashboard": "serve results", "ui": "serve results", "init": "new --data FILE",
    "create": "new --data FILE", "info": "doctor", "env": "doctor",
}  # fmt: skip
_OPTIONS = {
    "--space FILE": "-s -c -f --config --file --yaml --search-space --search_space --conf",
    "--results FOLDER": "-o --out --output --output-dir --output_dir --outdir --save-dir",
    "--data FOLDER": "-d --data-dir --data_dir --glue-dir",
    "--dry-run": "-n --dryrun --check",
    "--version": "-v -V",
}
_SEED_WORDS = ("--seeds", "--seed")
_AGAIN = ("--resume", "--continue", "--restore")
_GO = "freelb-tune"


def no_such_command(word: str, rest: Sequence[str], known: Collection[str]) -> str | None:
    """What to write where the first word is no command; None for no idea.

    Args:
        word: it.
        rest: the words after it.
        known: the commands there are.
    """
    if _is_space(word):
        return f"{word!r} is no command; write {_GO} --space {' '.join([word, *rest])}"
    if word.lower() in known:
        return f"{word!r} is no command; write {_GO} {' '.join([word.lower(), *rest])}"
    instead = _COMMANDS.get(word.lower())
    if instead is None:
        return None
    if instead and not instead.endswith("FILE"):
        return f"{word!r} is no command; write {_GO} {instead}"
    space = next((each for each in rest if _is_space(each)), "FILE")
    others = [each for each in rest if each not in (space, "--space")]
    start = instead.replace("FILE", space) if instead else f"--space {space}"
    return f"{word!r} is no command; write {_GO} {' '.join([start, *others])}"


def usage_advice(error: Exception, command: str, words: Sequence[str]) -> str | None:
    """What to write where a command's options cannot be read; None for no idea.

    Args:
        error: Typer's.
        command: its name.
        words: what followed it.
    """
    kind = type(error).__name__
    if kind == "NoSuchOption":
        return _no_such_option(str(getattr(error, "option_name", "")), command, words)
    if kind != "MissingParameter":
        return None
    missing = getattr(getattr(error, "param", None), "name", "")
    if missing == "space":
        space = next((each for each in words if _is_space(each)), None)
        if space is None:
            return f"--space is missing: name a search-space file, or what `{_GO} spaces` lists"
        others = [each for each in words if each != space]
        start = [] if command == "search" else [command]
        line = " ".join([*start, "--space", space, *others])
        return f"--space is missing before {space}; write {_GO} {line}"
    if missing in ("folder", "folders"):
        return f"a search's folder is missing; write {_GO} {command} results/NAME"
    if missing == "cell":
        return f"a cell's id is missing; trials.csv has them: {_GO} rerun results/NAME CELL"
    return None


def _no_such_option(option: str, command: str, words: Sequence[str]) -> str | None:
    """An option that is a setting, or has another name."""
    from freelb_tune.api.spaces import meant

    # `-space` is read as -s -p ...: what was written is the word that begins so
    written = next((w for w in words if w.partition("=")[0] == option), None)
    written = written or next((w for w in words if w.startswith(option)), option)
    name, _, value = written.partition("=")
    start = f"there is no option {name}"
    after = list(words[words.index(written) + 1 :]) if written in words else []
    value = value or next((word for word in after[:1] if not word.startswith("-")), "")
    if name == "-space":
        return f"{start}; write --space with two dashes"
    for instead, names in _OPTIONS.items():
        if name in names.split():
            filled = instead.partition(" ")[0] + (f" {value}" if value else "")
            return f"{start}; write {filled if ' ' in instead else instead}"
    if command not in ("search", "plan"):
        return None
    if name in _AGAIN:
        return f"{start}, and none is needed: the same command again goes on where it stood"
    if name in _SEED_WORDS:
        listed = re.sub(r"[\s,]+", ", ", value.strip("[]")) or "1, 2, 3"
        return f"{start}; write 'seeds=[{listed}]'"
    if name == "--grid":
        key, _, values = value.partition("=")
        dotted = meant(key) if key else None
        return f"{start}; write '{dotted or 'adversary.adv_lr'}={{grid: [{values or '0.1, 0.2'}]}}'"
    found = meant(name)
    if found is None:
        return None
    return f"{start}; settings are written as key=value: {found}={value or '...'}"


def _is_space(word: str) -> bool:
    """Whether a word is a search-space file, or the name of one that comes with the package."""
    if word.startswith("-") or "=" in word:
        return False
    if word.endswith((".yaml", ".yml")):
        return True
    from freelb_tune.api.shipped import shipped_spaces

    return word in shipped_spaces() and not Path(word).is_dir()
