"""The search spaces that come with the package: by name, from a wheel as from a checkout.

Room: api.
"""

from pathlib import Path

from freelb_tune.errors import FreeLBTuneError, unknown_name

__all__ = ["find_space", "shipped_space", "shipped_spaces", "summary"]

_PACKAGE = Path(__file__).parents[1]


def shipped_spaces() -> dict[str, Path]:
    """Every shipped file by its name: `quickstart`, `glue/roberta_base_rte`."""
    inside = _PACKAGE / "search_spaces"  # where a wheel has them; a checkout has them beside it
    folder = inside if inside.is_dir() else _PACKAGE.parent / "search_spaces"
    files = sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def shipped_space(name: str) -> Path:
    """The file of a shipped space.

    Raises:
        FreeLBTuneError: there is none of that name.
    """
    shipped = shipped_spaces()
    if name not in shipped:
        hint, _, _ = unknown_name(name, shipped).partition("known: ")
        raise FreeLBTuneError(
            f"no such space comes with freelb-tune: {hint}`freelb-tune spaces` lists them"
        )
    return shipped[name]


def find_space(path: Path) -> Path:
    """The file that is meant: the one at this path, or where there is none the shipped one.

    Raises:
        FreeLBTuneError: it looks like a name, and neither a file nor a shipped space has it; or
            it is the path of a shipped one in a checkout, and none is here.
    """
    if path.suffix in (".yaml", ".yml") and not path.exists():
        shipped, parts = shipped_spaces(), path.with_suffix("").parts
        name = next((n for at in range(len(parts)) if (n := "/".join(parts[at:])) in shipped), None)
        if name is not None:
            raise FreeLBTuneError(
                f"{path}: there is no such file; {name!r} comes with the package: write "
                f"load_space({name!r}), or --space {name}"
            )
    meant = (path.with_suffix(suffix) for suffix in (".yaml", ".yml") if path.name)
    if path.is_file() or path.suffix or any(each.is_file() for each in meant):
        return path  # of a file that is not there its reader says what lies beside it
    try:
        return shipped_space(path.as_posix())
    except FreeLBTuneError as err:
        raise FreeLBTuneError(f"{path}: there is no such file, and {err}") from err


def summary(path: Path) -> str:
    """What a shipped file asks: its first line, which is a comment."""
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()
