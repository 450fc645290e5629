"""`freelb-tune` itself: its help, its commands in the order of the help, its exit status.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from freelb_tune import __version__
from freelb_tune.cli.doctor import doctor
from freelb_tune.cli.evaluate import evaluate
from freelb_tune.cli.glue import glue
from freelb_tune.cli.importing import import_
from freelb_tune.cli.jobs import fetch, logs, stop
from freelb_tune.cli.merge import merge
from freelb_tune.cli.mistakes import no_such_command, usage_advice
from freelb_tune.cli.new import new
from freelb_tune.cli.plan import plan
from freelb_tune.cli.predict import predict
from freelb_tune.cli.report import report
from freelb_tune.cli.rerun import rerun
from freelb_tune.cli.schema import schema
from freelb_tune.cli.search import search
from freelb_tune.cli.serve import serve
from freelb_tune.cli.spaces import spaces
from freelb_tune.cli.status import status
from freelb_tune.cli.submit import submit
from freelb_tune.cli.terminal import show_what_it_can
from freelb_tune.cli.track import track
from freelb_tune.errors import FreeLBTuneError

__all__ = ["app", "main"]

DEFAULT = "search"


class _SearchByDefault(TyperGroup):
    """`freelb-tune --space FILE ...` is `freelb-tune search --space FILE ...`."""

    _words: list[str]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version"}
        known = not args or args[0] in own or args[0] in self.commands
        if args[:1] in (["-v"], ["-V"]):
            raise FreeLBTuneError(f"there is no option {args[0]}; write --version")
        if not known and (args[0].startswith("-") or "=" in args[0]):
            args = [DEFAULT, *args]
        elif not known and (said := no_such_command(args[0], args[1:], self.commands)):
            raise FreeLBTuneError(said)
        self._words = args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as err:
            command, *words = self._words or [DEFAULT]
            said = usage_advice(err, command, words)
            if said is None:
                raise
            raise FreeLBTuneError(said) from err


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
  freelb-tune status results/NAME --watch    what runs, what leads, how long it takes
  freelb-tune serve results                  every search of a folder in a browser, live
  freelb-tune report results/NAME            rebuild every table from what is stored
  freelb-tune spaces                         list the spaces that come with the package

\b
Try  freelb-tune --space quickstart  (three minutes, no network), or
     freelb-tune --space rte_minilm --data GLUE_FOLDER  for real data.
Overrides such as  adversary.adv_lr=0.03 'seeds=[1,2,3]'  replace what the file says.
""",
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"freelb-tune {__version__}")
        raise typer.Exit


app.command(DEFAULT)(search)
app.command("new")(new)
app.command("plan")(plan)
app.command("spaces")(spaces)
app.command("status")(status)
app.command("serve")(serve)
app.command("track")(track)
app.command("report")(report)
app.command("merge")(merge)
app.command("rerun")(rerun)
app.command("submit")(submit)
app.command("logs")(logs)
app.command("stop")(stop)
app.command("fetch")(fetch)
app.command("glue")(glue)
app.command("predict")(predict)
app.command("evaluate")(evaluate)
app.command("import")(import_)
app.command("schema")(schema)
app.command("doctor")(doctor)


def main() -> NoReturn:
    """The `freelb-tune` command."""
    show_what_it_can()
    try:
        app()
    except FreeLBTuneError as err:
        _leave(err)
    except Exception as err:
        from freelb_tune.api.environment import machine_fault  # --help need not pay for it

        fault = machine_fault(err, Path.cwd())
        if fault is None:
            raise
        _leave(fault)
    sys.exit(0)


def _leave(err: FreeLBTuneError) -> NoReturn:
    print(f"freelb-tune: {err}", file=sys.stderr)
    sys.exit(err.status)
