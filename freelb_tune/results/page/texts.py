"""The dev examples in words, for a page that was asked to show them.

Room: results. Reads the data again; nobody else who makes outputs does.
"""

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import Store

__all__ = ["dev_texts"]


def dev_texts(store: Store) -> dict[int, tuple[str, ...]]:
    """Every dev example's text or texts by number, 1 for the first.

    Raises:
        FreeLBTuneError: the data is not there any more, is another now, or cells had several.
    """
    from freelb_tune.tasks import data_fingerprint, load_examples

    kinds = {each.cell.data_fingerprint: each.cell for each in store.cells}
    if len(kinds) != 1:
        raise FreeLBTuneError(
            f"--with-text: the cells of {store.name} have {len(kinds)} data sets, and the page can "
            "show the texts of one; leave it out"
        )
    ((fingerprint, cell),) = kinds.items()
    if cell.fold is not None:
        raise FreeLBTuneError(
            "--with-text: with data.folds each cell judges the examples of its own fold, and the "
            "page can show the texts of one dev set; leave it out"
        )
    if data_fingerprint(cell.inputs) != fingerprint:
        raise FreeLBTuneError(
            "--with-text: the data has changed since these cells were trained, so its texts are "
            "not those that they judged; put it back, or leave --with-text out"
        )
    examples = load_examples(cell.task, cell.data)
    columns = [list(examples.evaluation["dev"][name]) for name in examples.text]
    return dict(enumerate(zip(*columns, strict=True), start=1))
