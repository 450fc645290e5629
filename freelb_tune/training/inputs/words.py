"""A tokenizer of whole words, for a model that is built from a config alone.

Room: training. Loads `tokenizers` on use, neither torch nor transformers.
"""

from collections.abc import Iterable
from typing import Any

__all__ = ["CLS", "PAD", "SEP", "UNKNOWN", "word_tokenizer"]

UNKNOWN, PAD, CLS, SEP = "[UNK]", "[PAD]", "[CLS]", "[SEP]"


def word_tokenizer(texts: Iterable[str]) -> Any:
    """A `tokenizers.Tokenizer` with one id per word of these texts, in small letters."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing

    normalizer, words = Lowercase(), BertPreTokenizer()
    seen: set[str] = set()
    for text in texts:
        lowered = normalizer.normalize_str(text)
        seen.update(word for word, _ in words.pre_tokenize_str(lowered))
    special = [PAD, UNKNOWN, CLS, SEP]
    vocabulary = {word: i for i, word in enumerate([*special, *sorted(seen)])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, words
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(CLS, vocabulary[CLS]), (SEP, vocabulary[SEP])],
    )
    return tokenizer
