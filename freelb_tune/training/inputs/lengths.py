"""How long texts are for a model's tokenizer, before anything heavy is loaded.

Room: training. Loads `tokenizers` on use, neither torch nor transformers.
"""

from collections.abc import Mapping, Sequence

from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.sections import Inputs
from freelb_tune.store import TextLengths, set_lengths
from freelb_tune.tasks import Look
from freelb_tune.training.inputs.source import find_model
from freelb_tune.training.inputs.words import word_tokenizer

__all__ = ["cut_sentences", "text_lengths"]


def cut_sentences(cells: Sequence[Cell], looks: Mapping[str, Look], most: int) -> tuple[str, ...]:
    """How many texts are cut, a sentence for each data, model and length of some cells.

    Args:
        cells: the cells.
        looks: what is known of their data, by its fingerprint; of others nothing is said.
        most: of a set, the texts that these hold at most.
    """
    length = "data.max_length"
    kinds = {(c.data_fingerprint, c.weights, c.settings.get(length)): c for c in cells}
    said = []
    for cell in kinds.values():
        look = looks.get(cell.data_fingerprint)
        found = look and text_lengths(Inputs(cell.task, cell.data, cell.model), look.texts)
        if look and found and found.sentence:
            is_part = any(size > most for size in look.sizes.values())
            part = f" Looked at {most:,} texts of each larger set." if is_part else ""
            said.append(found.sentence + part)
    return tuple(dict.fromkeys(said))


def text_lengths(
    inputs: Inputs, texts: Mapping[str, Sequence[tuple[str, ...]]]
) -> TextLengths | None:
    """Measure texts as the search will.

    Args:
        inputs: the model and the tokens that are kept.
        texts: of each set; pairs where a text has two parts.

    Returns:
        None for a model that is not here, or that comes without a tokenizer.json.
    """
    from tokenizers import Tokenizer

    source = find_model(inputs.model)
    if source is None:
        return None
    if source.folder is None:
        tokenizer = word_tokenizer(())  # a word that it does not know is one token, too
    elif (source.folder / "tokenizer.json").is_file():
        try:
            tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
        except Exception:  # tokenizers raises nothing narrower; the search tells it in words
            return None
    else:
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    sets = {}
    for name, rows in texts.items():
        found = tokenizer.encode_batch([row if len(row) > 1 else row[0] for row in rows])
        sets[name] = set_lengths([len(each.ids) for each in found], inputs.data.max_length)
    return TextLengths(inputs.data.max_length, sets)
