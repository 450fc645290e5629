"""What holds for every file of texts, tried on made-up ones: no text is changed or lost."""

import csv
import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from space_fixtures import planned
from tasks_fixtures import data_fingerprint, files, load_examples
from test_space_import import flags, imported

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.domains import Choice, Grid, Range, parse_domain

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

# what files break at: separators, quotes, ends of lines, other scripts, spaces at the ends
ODD = ("Cc", "Cs", "Cf", "Zl", "Zp", "Co", "Cn")
LETTERS = st.characters(codec="utf-8", exclude_categories=ODD)
TEXTS = st.text(LETTERS | st.sampled_from(",;\t|\"'\n "), min_size=1, max_size=20).filter(
    lambda text: text.strip() and text.strip().lower() not in ("nan", "<na>", "null")
)
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from(["good", "bad"])), min_size=3, max_size=6).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def examples_of(folder, name, **form):
    return load_examples(
        files("classification", folder, name, name, text="review", label="grade", **form)
    )


def write_csv(path, rows, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(("review", "grade"))
        writer.writerows(rows)


@few
@given(rows=ROWS)
def test_every_kind_of_file_brings_every_text_as_it_is(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    write_csv(folder / "a.csv", rows)
    lines = [json.dumps(dict(zip(("review", "grade"), row, strict=True))) for row in rows]
    (folder / "a.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "a.json").write_text(f"[{', '.join(lines)}]", "utf-8")
    found = [examples_of(folder, f"a.{ending}") for ending in ("csv", "jsonl", "json")]
    for examples in found:
        assert examples.train["text_a"][:] == [text for text, _ in rows]
        assert examples.labels == ("bad", "good")
        assert examples.train["label"][:] == [int(label == "good") for _, label in rows]


@few
@given(rows=ROWS, delimiter=st.sampled_from([";", "|", "\t"]))
def test_a_separator_that_is_named_or_found_changes_no_text(rows, delimiter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("separators")
    write_csv(folder / "a.csv", rows, delimiter)
    named = examples_of(folder, "a.csv", separator=delimiter)
    assert named.train["text_a"][:] == [text for text, _ in rows]
    assert examples_of(folder, "a.csv").train["text_a"][:] == named.train["text_a"][:]


@few
@given(rows=ROWS, at=st.integers(0, 5))
def test_a_files_name_in_ids_follows_its_content(rows, at, tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    write_csv(folder / "a.csv", rows)
    asked = files("classification", folder, "a.csv", "a.csv", text="review", label="grade")
    before = data_fingerprint(asked)
    other = folder / "elsewhere"
    other.mkdir()
    write_csv(other / "a.csv", rows)
    assert (
        data_fingerprint(
            files("classification", other, "a.csv", "a.csv", text="review", label="grade")
        )
        == before
    )
    text, label = rows[at % len(rows)]
    rows[at % len(rows)] = (f"{text} more", label)
    write_csv(folder / "a.csv", rows)
    assert data_fingerprint(asked) != before


@few
@given(rows=ROWS, at=st.integers(0, 5), wrong=st.sampled_from(["", "  ", "nan", "NULL"]))
def test_a_label_that_is_none_is_named_with_its_line(rows, at, wrong, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    place = at % len(rows)
    plain = [(f"text {n}", label) for n, (_, label) in enumerate(rows)]
    plain[place] = (plain[place][0], wrong)
    write_csv(folder / "a.csv", plain)
    with pytest.raises(FreeLBTuneError, match=rf"a\.csv.*1 problem\n  line {place + 2}: the label"):
        examples_of(folder, "a.csv")


# --- domains

NUMBERS = st.floats(1e-6, 1e6).map(lambda value: float(f"{value:.6g}"))


@given(ends=st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[0] < pair[1]),
       log=st.booleans(), chance=st.randoms(use_true_random=False))  # fmt: skip
def test_a_drawn_number_lies_in_its_range_and_has_four_digits(ends, log, chance):
    domain = Range(*ends, log=log, whole=False)
    for _ in range(5):
        value = domain.draw(chance)
        assert domain.holds(value)
        assert value in (float(f"{value:.4g}"), *ends)
        assert domain.nearest(value) == value  # a number that was drawn is run as it is


@given(low=st.integers(-50, 50), more=st.integers(1, 20), chance=st.randoms(use_true_random=False))
def test_a_drawn_whole_number_is_one_of_its_range(low, more, chance):
    domain = parse_domain({"int": [low, low + more]})
    drawn = {domain.draw(chance) for _ in range(20)}
    assert drawn <= set(range(low, low + more + 1))
    assert all(type(value) is int and domain.holds(value) for value in drawn)
    assert not domain.holds(low - 1)
    assert not domain.holds(True)
    assert not domain.holds(low + 0.5)
    assert domain.ends == (low, low + more)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"grid": [1, 2]}, Grid((1, 2))),
        ({"choice": ["a"]}, Choice(("a",))),
        ({"uniform": [0, 1]}, Range(0, 1, log=False, whole=False)),
        ({"loguniform": [0.1, 1]}, Range(0.1, 1, log=True, whole=False)),
        ({"int": [1, 4]}, Range(1, 4, log=False, whole=True)),
        ({"logint": [1, 64]}, Range(1, 64, log=True, whole=True)),
    ],
)
def test_a_domain_is_read_as_it_is_written(written, read):
    assert parse_domain(written) == read


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"unifrom": [0, 1]}, "did you mean 'uniform'"),
        ({"uniform": [1, 0]}, "uniform needs a lowest below a highest, got [1, 0]"),
        ({"uniform": [0, float("inf")]}, "uniform needs a lowest below a highest"),
        ({"uniform": [True, 2]}, "uniform needs two numbers, the lowest and the highest"),
        ({"int": [1, 2.0]}, "int needs whole numbers"),
        ({"logint": [0, 4]}, "logint needs a lowest above 0"),
        ({"grid": "all"}, "grid needs a list, such as {grid: [1, 2]}, got 'all'"),
        ({"choice": []}, "choice needs one value or more, got []"),
    ],
)
def test_what_is_no_domain_is_told(written, said):
    assert said in parse_domain(written)


# --- what another tool would have run

SIZES = st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=3, unique=True)


@few
@given(rates=SIZES, sizes=SIZES, seeds=st.lists(st.integers(1, 9), min_size=1, max_size=3,
                                                unique=True))  # fmt: skip
def test_an_imported_search_runs_what_the_other_tool_would_have(
    rates, sizes, seeds, tmp_path_factory
):
    base = ("--adv_steps", 3, "--adv_lr", rates, "--adv_init_mag", sizes, "--seed", seeds)
    (space,), _ = imported(tmp_path_factory.mktemp("imported"), flags(*base))
    runs = {
        (c.settings["adversary.adv_lr"], c.settings["adversary.init_mag"], c.seed)
        for c in planned(space).cells
    }
    assert runs == set(itertools.product(rates, sizes, seeds))
