"""Long steps say how far they are."""

import re
import threading

import freelb_tune.training.inputs.tokens as tokens
from freelb_tune.progress import Progress, waiting
from freelb_tune.training.inputs.words import word_tokenizer


def test_a_long_step_says_now_and_then_how_far_it_is():
    said, clock = [], iter([0.0, 3.0, 6.0, 7.0, 12.0])
    progress = Progress(("tokenised", "texts of train"), 4000, said.append, lambda: next(clock))
    for _ in range(4):
        progress.add(1000)
    assert said == [
        "tokenised 2,000 of 4,000 texts of train, about 6 s left",
        "tokenised 4,000 of 4,000 texts of train, about 0 s left",
    ]


def test_a_step_of_unknown_length_says_that_it_goes_on_until_it_is_over():
    said, twice = [], threading.Event()

    def say(text):
        said.append(text)
        if len(said) == 2:
            twice.set()

    with waiting("fetching the models", say, first=0.01):
        assert twice.wait(30)
    count = len(said)
    assert all(re.fullmatch(r"fetching the models: \d+ s so far", text) for text in said)
    assert not any(each.name == "waiting" for each in threading.enumerate())
    with waiting("a quick step", said.append, first=30):
        pass
    assert len(said) == count


def test_tokenising_counts_every_text(monkeypatch):
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    words = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(["a b c d"]))
    counted = []
    progress = Progress(("tokenised", "texts"), 3, counted.append)
    monkeypatch.setattr(progress, "add", counted.append)
    rows = Dataset.from_dict({"text_a": ["a b", "c", "d"], "label": [0, 1, 0]})
    found = tokens._tokenise(words, rows, 8, progress)
    assert sum(counted) == len(found) == 3
