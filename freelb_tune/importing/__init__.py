"""Search spaces from the files of other code bases.

Room: space. ManyTasks' search.json and the FreeLB repository's launch scripts in, YAML out; nothing
of what they say is dropped in silence.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.importing.fairseq import read_fairseq
from freelb_tune.importing.manytasks import read_manytasks
from freelb_tune.importing.paragen import read_paragen
from freelb_tune.importing.run_exp import read_run_exp
from freelb_tune.importing.run_glue import read_run_glue
from freelb_tune.importing.runs import Command, Known, Notes, Run
from freelb_tune.importing.writing import Imported, save_spaces, write_spaces

__all__ = ["Imported", "import_spaces", "save_spaces"]


def import_spaces(
    path: Path,
    *,
    metrics: Mapping[str, Sequence[str]],
    train_sizes: Mapping[str, int],
    commented: bool = False,
) -> tuple[list[Imported], tuple[str, ...]]:
    """Read a foreign file and write the spaces that plan to its runs.

    Args:
        path: a ManyTasks search.json or a launch script.
        metrics: each task's metrics, the first its default.
        train_sizes: examples of GLUE's official training sets, by our task names.
        commented: read a script's rows that are commented out too.

    Returns:
        One space for each task and set of seeds; and notes on what means something else here,
        which stand in the spaces too.

    Raises:
        FreeLBTuneError: the file cannot be read, or its runs have no counterpart here; the message
            says where and what.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as err:
        raise FreeLBTuneError(f"{path}: cannot be read: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise FreeLBTuneError(f"{path}: cannot be read as UTF-8 text: {err}") from err
    notes, known = Notes(), Known(metrics, train_sizes)
    if path.suffix == ".json" or '"configs"' in text:
        commands, resources = read_manytasks(path, text, notes)
    else:
        commands = read_run_exp(path, text, notes, commented=commented)
        resources = {"gpu": 1}
    runs = [_read(command, known, notes, path.parent) for command in commands]
    return write_spaces(path, runs, resources, notes.texts, known), notes.texts


def _read(command: Command, known: Known, notes: Notes, folder: Path) -> Run:
    dotted = any(name.startswith(("--task.", "--env.")) for name in command.flags)
    if dotted or "paragen" in command.program:
        return read_paragen(command, known, notes, folder)
    if {"--arch", "--rand-init-mag"} & command.flags.keys():
        return read_fairseq(command, known, notes)
    return read_run_glue(command, known, notes)
