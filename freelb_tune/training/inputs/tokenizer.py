"""A model's tokenizer, with a padding token; or one made of the training text's words.

Room: training.
"""

from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.inputs.source import ModelSource
from freelb_tune.training.inputs.words import CLS, PAD, SEP, UNKNOWN, word_tokenizer

__all__ = ["load_tokenizer", "made_tokenizer", "source_tokenizer"]


def load_tokenizer(folder: Path, *, trust_remote_code: bool) -> Any:
    """A model folder's tokenizer.

    Raises:
        FreeLBTuneError: it has none, or one without a word: transformers makes one of thin air.
    """
    from transformers import AutoTokenizer

    advice = "a model folder has its tokenizer's files too, such as tokenizer.json or vocab.txt"
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, LookupError, TypeError) as err:
        said = next(iter(str(err).strip().splitlines()), type(err).__name__)
        raise FreeLBTuneError(
            f"model: no tokenizer can be made from {folder} ({said}); {advice}"
        ) from err
    if tokenizer.vocab_size <= len({*tokenizer.all_special_ids}):
        raise FreeLBTuneError(f"model: the tokenizer of {folder} knows no word; {advice}")
    return tokenizer


def source_tokenizer(source: ModelSource) -> Any:
    """The tokenizer of a model's files, with a padding token.

    Raises:
        FreeLBTuneError: as `load_tokenizer`; or it has no padding token and none is named.
    """
    assert source.folder is not None  # the caller has looked
    tokenizer = load_tokenizer(source.folder, trust_remote_code=source.trust_remote_code)
    named = source.pad_token
    if named is not None and tokenizer.pad_token_id is None:
        word = tokenizer.eos_token if named == "eos" else named
        if word is None or word not in tokenizer.get_vocab():
            raise FreeLBTuneError(
                f"model.pad_token: the tokenizer of {source.name!r} has no word {named!r}; write "
                "one that it has, such as eos or its unk_token"
            )
        tokenizer.pad_token = word
    if tokenizer.pad_token_id is None:
        raise FreeLBTuneError(
            f"model: the tokenizer of {source.name!r} has no padding token; write "
            "model: {name: ..., pad_token: eos} to pad with its end-of-text token, or any word "
            "that no text has"
        )
    if named is not None and tokenizer.pad_token not in (named, tokenizer.eos_token):
        raise FreeLBTuneError(
            f"model.pad_token: the tokenizer of {source.name!r} pads with "
            f"{tokenizer.pad_token!r}; take it out"
        )
    return tokenizer


def made_tokenizer(train: Any) -> Any:
    """One id per word of the training text, for a model built from a config alone."""
    from transformers import PreTrainedTokenizerFast

    columns = [name for name in ("text_a", "text_b") if name in train.column_names]
    tokenizer = word_tokenizer(text for name in columns for text in train[name])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PAD,
        cls_token=CLS,
        sep_token=SEP,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
