"""The command line: parse, call one room after the other, print, return an exit status.

Data goes to stdout, talk to stderr. Status 0: done; 1: some cells failed; 2: something the caller
can put right; 130: interrupted.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from freelb_tune import __version__
from freelb_tune.errors import FreeLBTuneError

if TYPE_CHECKING:
    from freelb_tune.space import Plan, Space

DEFAULT = "search"


class _SearchByDefault(TyperGroup):
    """`freelb-tune --space FILE ...` is `freelb-tune search --space FILE ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version"}
        known = not args or args[0] in own or args[0] in self.commands
        if not known and (args[0].startswith("-") or "=" in args[0]):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_SearchByDefault,
    name="freelb-tune",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Search hyperparameters for adversarial fine-tuning (FreeLB) of sequence classifiers.

\b
  freelb-tune --space FILE [key=value ...]   run a search; the same command again continues it
  freelb-tune plan --space FILE              list what would run, and run none of it
  freelb-tune report results/NAME            rebuild every table from what is stored

\b
Try  freelb-tune --space search_spaces/quickstart.yaml  (three minutes, no network), or
     freelb-tune --space search_spaces/rte_minilm.yaml --data GLUE_FOLDER  for real data.
Overrides such as  adversary.adv_lr=0.03 'seeds=[1,2,3]'  replace what the file says.
""",
)

SpaceFile = Annotated[Path, typer.Option("--space", help="The search-space file (YAML).")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the file's."),
]
Results = Annotated[
    Path, typer.Option("--results", help="Folder of results; this search goes to DIR/NAME.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="A GLUE folder (DIR/RTE/train.tsv ...) in place of `data`."),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", help="A Python module that registers adversaries. Repeatable."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer yes to every question.")]
Folder = Annotated[Path, typer.Argument(help="A search's folder, results/NAME.")]
Folders = Annotated[
    list[Path], typer.Argument(metavar="RESULTS...", help="Searches' folders, results/NAME.")
]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"freelb-tune {__version__}")
        raise typer.Exit


@app.command(DEFAULT)
def search(
    space: SpaceFile,
    overrides: Overrides = None,
    results: Results = Path("results"),
    data: Data = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells and run none (same as `plan`).")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set what is stored aside and start anew.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run failed and diverged cells again.")
    ] = False,
    address: Annotated[
        str | None, typer.Option("--address", help="A Ray cluster to join (such as auto).")
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="Ray's dashboard on 127.0.0.1.")
    ] = True,
    plugin: Plugins = None,
    yes: Yes = False,
) -> None:
    """Run a search, or continue it: known cells are kept, unfinished ones go on."""
    if dry_run:
        return plan(space, overrides, results, data, plugin, yes)
    from freelb_tune.search import SearchOptions, make_display, run_search
    from freelb_tune.store import check_results, set_aside

    opened, planned, folder = _plan(space, overrides, results, data, plugin, yes, fetch=True)
    if fresh and folder.exists():
        _ask(f"Set {folder} aside and start anew?", yes)
        print(f"what was stored is now in {set_aside(folder)}", file=sys.stderr)
    check_results(folder, name=opened.name, task=opened.task)
    _check_cells(planned)
    options = SearchOptions(
        address=address,
        dashboard=dashboard,
        retry_failed=retry_failed,
        command=("freelb-tune", *sys.argv[1:]),
        cache=results.resolve() / ".cache",
    )
    summary = run_search(opened, planned, folder, options, make_display())
    _show_tables(folder)
    if summary.interrupted:
        print("interrupted: the same command again continues from here", file=sys.stderr)
        raise typer.Exit(130)
    if any(n for state, n in summary.counts.items() if state in ("failed", "diverged")):
        print("some cells failed: see trials.csv; --retry-failed runs them again", file=sys.stderr)
        raise typer.Exit(1)
    return None


@app.command()
def plan(
    space: SpaceFile,
    overrides: Overrides = None,
    results: Results = Path("results"),
    data: Data = None,
    plugin: Plugins = None,
    yes: Yes = False,
) -> None:
    """List every cell of a space, what it could show, and what it costs. Runs nothing."""
    from freelb_tune.space import list_plan

    opened, planned, folder = _plan(space, overrides, results, data, plugin, yes, fetch=False)
    print(list_plan(opened, planned, _known(folder)), flush=True)
    from freelb_tune.results.foresight import foresee  # scipy, which the list need not wait for

    print(*foresee(opened, planned, results), sep="\n")


@app.command()
def report(folder: Folder) -> None:
    """Rebuild every table of a search from its journal alone, and its figures: report.html."""
    from freelb_tune.results import write_outputs
    from freelb_tune.results.judge import judge

    write_outputs(folder, judge, figures=True)
    _show_tables(folder)
    print(f"figures: {folder}/report.html", file=sys.stderr)


@app.command()
def rerun(
    folder: Folder,
    cell: Annotated[str, typer.Argument(help="A cell's id, or the first digits of it.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    plugin: Plugins = None,
) -> None:
    """Train one cell again here, without Ray, and compare its numbers with the stored ones."""
    import tempfile

    from freelb_tune.store import load_store
    from freelb_tune.training import prepare, run_cell

    _load_plugins(plugin)
    store = load_store(folder)
    found = [r for r in (*store.cells, *store.others) if r.cell.id.startswith(cell)]
    if len(found) != 1:
        raise FreeLBTuneError(
            f"{len(found)} cells of {folder} begin with {cell!r}; ids are in trials.csv"
        )
    known = {record.epoch: record for record in found[0].epochs}
    differ = False
    with tempfile.TemporaryDirectory() as scratch:
        ready = prepare([found[0].cell], folder.parent / ".cache")[found[0].cell.id]

        def tell(record: Any) -> None:
            nonlocal differ
            old = known.get(record.epoch)
            same = old is not None and (old.score, old.dev_loss) == (record.score, record.dev_loss)
            differ |= old is not None and not same
            word = "not stored" if old is None else "as stored" if same else f"stored {old.score}"
            print(f"epoch {record.epoch}: {record.score} ({word})")

        run_cell(found[0].cell, ready, Path(scratch), tell, threads)
    if differ:
        raise typer.Exit(1)


@app.command()
def glue(
    folders: Folders,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write glue.md, glue.csv and glue.tex here.")
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Allow several models; a column says which.")
    ] = False,
) -> None:
    """Put searches on several GLUE tasks into one table, beside published figures."""
    from freelb_tune.results.glue import build_glue
    from freelb_tune.results.glue_outputs import glue_markdown, write_glue

    table = build_glue(folders, mixed=mixed)
    print(glue_markdown(table))
    if out is not None:
        print(f"files: {', '.join(map(str, write_glue(table, out)))}", file=sys.stderr)


@app.command()
def predict(
    folders: Folders,
    data: Annotated[
        Path | None, typer.Option("--data", help="A GLUE folder with the test files.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path("submission"),
    zipped: Annotated[
        bool, typer.Option("--zip", help="Also write submission.zip for the GLUE server.")
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let Python inside best/ run.")
    ] = False,
) -> None:
    """Predict the test sets with the selected models, in the files that the GLUE server takes."""
    from freelb_tune.training.prediction import predict_test
    from freelb_tune.training.submission import check_folders, write_predictions, write_submission

    check_folders(folders, zipped=zipped)
    several = []
    for folder in folders:
        several.append(predict_test(folder, data, trust_remote_code=trust_remote_code))
        print(f"{folder}: predicted with cell {several[-1].cell_id}", file=sys.stderr)
        for path in write_predictions(several[-1], out):
            print(path)
    if zipped:
        path, absent = write_submission(several, out)
        print(path)
        if absent:
            print(f"{path} lacks {', '.join(absent)}", file=sys.stderr)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="ManyTasks' search.json, or a run_exp script.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write, or a folder where one is not enough."),
    ] = None,
    commented: Annotated[
        bool, typer.Option("--commented", help="Read a script's rows that are commented out too.")
    ] = False,
) -> None:
    """Write another code base's search as a search space that plans to the same runs."""
    from freelb_tune.space.importing import import_spaces, save_spaces
    from freelb_tune.tasks import GLUE, task_metrics

    sizes = {task.name: task.sizes[0] for task in GLUE if task.sizes}
    spaces, notes = import_spaces(
        file, metrics=task_metrics(), train_sizes=sizes, commented=commented
    )
    for note in notes:
        print(note, file=sys.stderr)
    if out is None and len(spaces) == 1:
        print(spaces[0].text, end="")
        return
    for path, space in zip(save_spaces(spaces, out), spaces, strict=True):
        print(f"{path}: {space.runs} runs", file=sys.stderr)


@app.command()
def schema() -> None:
    """Print the search-space file's JSON Schema, for editors."""
    from freelb_tune.space import json_schema

    print(json.dumps(json_schema(), indent=2))


@app.command()
def doctor() -> None:
    """Print versions, devices and disk space: for a bug report."""
    from freelb_tune.store import describe_environment

    print(json.dumps(describe_environment(devices=_devices()), indent=2, default=str))


def _devices() -> list[str]:
    import torch

    if not torch.cuda.is_available():
        return ["cpu"]
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _plan(
    space: Path,
    overrides: Sequence[str] | None,
    results: Path,
    data: Path | None,
    plugin: Sequence[str] | None,
    yes: bool,
    *,
    fetch: bool,
) -> tuple["Space", "Plan", Path]:
    from freelb_tune.space import load_space, plan_cells
    from freelb_tune.tasks import data_fingerprint, task_metrics
    from freelb_tune.training import model_fingerprint

    _load_plugins(plugin)
    opened = load_space(space, overrides or (), data, tasks=task_metrics())
    planned = plan_cells(
        opened,
        data_fingerprint=_read_data if fetch else data_fingerprint,
        model_fingerprint=partial(model_fingerprint, fetch=fetch),
        limit=None if yes else 100_000,
    )
    return opened, planned, results / opened.name


def _read_data(settings: Mapping[str, Any]) -> str:
    """Read the data once, fetching what the Hub has, and say what a user should know of it."""
    from freelb_tune.tasks import check_data, data_fingerprint

    for note in check_data(settings):
        print(note, file=sys.stderr)
    return data_fingerprint(settings)


def _load_plugins(modules: Sequence[str] | None) -> None:
    """What installed packages offer, then what the command line names; never what a file says."""
    from freelb_tune.adversary import load_entry_points, load_plugins

    load_entry_points()
    load_plugins(modules or ())


def _known(folder: Path) -> dict[str, str]:
    """The state of every cell that a results folder knows, by id."""
    from freelb_tune.store import load_store

    if not (folder / "journal.jsonl").is_file():
        return {}
    store = load_store(folder)
    return {r.cell.id: str(r.state) for r in (*store.cells, *store.others)}


def _check_cells(planned: "Plan") -> None:
    """Let `TrainingArguments` refuse what it would refuse, before Ray starts."""
    import tempfile

    from freelb_tune.training.arguments import check_arguments

    with tempfile.TemporaryDirectory() as scratch:
        check_arguments({c.id: c for c in planned.cells}, Path(scratch))


def _ask(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise FreeLBTuneError(f"{question} There is no terminal to ask at; add --yes")
    if not typer.confirm(question):
        raise typer.Exit(2)


def _show_tables(folder: Path) -> None:
    print((folder / "table.md").read_text("utf-8"))
    print(f"files: {folder}/table.md, table.csv, trials.csv, epochs.csv", file=sys.stderr)


def main() -> NoReturn:
    """The `freelb-tune` command."""
    try:
        app()
    except FreeLBTuneError as err:
        print(f"freelb-tune: {err}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


if __name__ == "__main__":
    main()
