"""What a search-space file may say, and what is said when it says something else."""

import re

import pytest
from space_fixtures import HEAD, cells_of, column, opened, planned

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import load_space

ADV_LR, MAX = "adversary.adv_lr", "adversary.max_norm"


def said(folder, text, *overrides):
    """The message about a file of this text, without its folder."""
    with pytest.raises(FreeLBTuneError, match=r"space\.yaml|override") as raised:
        opened(folder, text, *overrides)
    return str(raised.value).replace(f"{folder}/", "")


def test_every_problem_is_said_at_once_in_the_files_order(tmp_path):
    text = (
        "task: rte\n"
        "model: some/encoder\n"
        "trainer:\n"
        "  learning_rate: fast\n"
        "adversary:\n"
        "  method: freelb\n"
        "  max_norm: {grid: []}\n"
        "  adv_stps: 3\n"
        "search: {algorithm: random, samples: 0}\n"
    )
    first, *rest = said(tmp_path, text).splitlines()
    assert first == "space.yaml: 4 problems"
    assert rest[0] == ("  line 4, trainer.learning_rate: expected a number, got the text 'fast'")
    assert rest[1] == "  line 7, adversary.max_norm: grid needs one value or more, got []"
    assert rest[2].startswith(
        "  line 8, adversary.adv_stps: unknown name 'adv_stps'; did you mean 'adv_steps'? known: "
    )
    assert rest[3] == "  line 9, search.samples: expected at least 1, got 0"


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("tsk: rte", "line 3, tsk: unknown name 'tsk'; did you mean 'task'?"),
        ("trainer: {lerning_rate: 1}", "did you mean 'learning_rate'?"),
        ("trainer: {zzqq: 1}", "any field of transformers.TrainingArguments may stand here"),
        ("data: {encoding: utf-9}", "the name of an encoding, such as utf-8, cp1252 or latin-1"),
        ("seeds: {a: 1, b: 2}", "got the mapping {a, b}"),
        ("seeds: {}", "got an empty mapping"),
        ("seeds: null", "got nothing (null)"),
        ("name: [1, 2", "check the indentation, colons, quotes and brackets there and just above"),
        ("trainer: {warmup_ratio: 0.1}", "write warmup_steps, which takes a fraction below 1"),
        ("trainer: {per_device_train_batch_size: 0}", "expected at least 1, got 0"),
        ("trainer: {per_device_train_batch_size: 1.5}", "expected a whole number, got 1.5"),
        ("trainer: {per_device_train_batch_size: true}", "expected a whole number, got true"),
        ("trainer: {learning_rate: -1e-5}", "expected at least 0.0, got -1e-05"),
        ("trainer: {learning_rate: '1e-5'}", "got the text '1e-5'; take the quotes away"),
        ("trainer: {learning_rate: .inf}", "expected a finite number, got inf"),
        ("trainer: {num_train_epochs: 0}", "expected above 0.0, got 0"),
        ("trainer: {max_steps: 0}", "expected -1 or at least 1, got 0"),
        ("trainer: {adam_beta2: 1}", "expected below 1.0, got 1"),
        ("trainer: {warmup_steps: -3}", "expected at least 0.0, got -3"),
        ("trainer: {lr_scheduler_type: polinomial}", "polynomial"),
        ("trainer: {lr_scheduler_type: greedy}", "needs no scores, such as linear, cosine or co"),
        (
            "trainer: {lr_scheduler_type: {grid: [linear, reduce_lr_on_plateau]}}",
            "and greedy read scores inside Trainer",
        ),
        ("trainer: {group_by_length: true}", "write train_sampling_strategy: group_by_length"),
        (
            "trainer: {torch_compile: true}",
            "torch_compile: is not for the space to set: a per",
        ),
        (
            "trainer: {torch_compile_backend: inductor}",
            "torch_compile_backend: is not for the spa",
        ),
        ("trainer: {eval_accumulation_steps: 2}", "per_device_eval_batch_size may be set"),
        ("trainer: {skip_memory_metrics: false}", "epochs are reported to the store"),
        ("trainer: {average_tokens_across_devices: true}", "a cell trains in one process"),
        (
            "trainer: {bf16: no}",
            "expected true or false, got the text 'no'; 'no' is text in YAML 1.2",
        ),
        ("trainer: {seed: 3}", "is not for the space to set: write seeds: [1, 2] at the top"),
        ("trainer: {output_dir: x}", "is not for the space to set: results go to --results DIR"),
        ("trainer: {hub_token: x}", "is not for the space to set: upload best/ yourself"),
        ("trainer: 3", "line 3, trainer: expected a mapping, got 3"),
        ("adversary: {method: frelb}", "unknown name 'frelb'; did you mean 'freelb'?"),
        ("adversary: {method: FreeLB++}", "unknown name 'FreeLB++'; did you mean 'freelb++'?"),
        ("adversary: {method: 3}", "expected a method's name, got 3"),
        ("adversary: {method: freelb, adv_steps: 0}", "expected at least 1, got 0"),
        ("adversary: {adv_lr: -0.1}", "expected at least 0.0, got -0.1"),
        ("adversary: {max_norm: 0}", "expected above 0.0, got 0"),
        ("adversary: {max_norm: {grid: [0.1, -1, 0.2]}}", "expected above 0.0, got -1"),
        ("adversary: {norm: l3}", "expected 'l2' or 'linf', got the text 'l3'"),
        ("adversary: {method: none, adv_lr: 0.1}", "none does not read it; take it out"),
        ("adversary: {method: repeat, adv_lr: 0.1}", "(it is read by "),
        ("adversary: {adv_lr: {gird: [0.1]}}", "unknown name 'gird'; did you mean 'grid'?"),
        ("adversary: {adv_lr: {grid: 0.1}}", "grid needs a list, such as {grid: [1, 2]}, got 0.1"),
        ("adversary: {adv_lr: [0.1, 0.2]}", "expected a number, got [0.1, 0.2]"),
        ("adversary: {adv_lr: {uniform: [0.2, 0.1]}}", "uniform needs a lowest below a highest"),
        ("adversary: {adv_lr: {uniform: [0.2]}}", "uniform needs two numbers"),
        ("adversary: {adv_lr: {loguniform: [0, 1]}}", "loguniform needs a lowest above 0"),
        ("adversary: {adv_steps: {int: [1, 2.5]}}", "int needs whole numbers"),
        ("adversary: {adv_steps: {uniform: [1, 4]}}", "expected a whole number, got 1.0"),
        ("adversary: {adv_lr: {uniform: [-1, 1]}}", "expected at least 0.0, got -1.0"),
        ("adversary: {adv_lr: {uniform: [0, 1]}}", "a grid cannot draw; write {grid: [...]} here"),
        ("adversary: {adv_lr: '${adversary.adv_rl}'}", "refers to an unknown name"),
        ("adversary: {adv_lr: '${adversary.adv_lr}'}", "refers to itself: adversary.adv_lr to"),
        ("adversary: {adv_lr: {grid: ['${adversary.init_mag}']}}", "a reference stands alone"),
        ("data: {path: 'x-${adversary.adv_lr}'}", "a reference to a setting stands alone"),
        ("name: '${nam}'", "line 3, name: Interpolation key 'nam' not found"),
        ("tie: [{adversary.init_mag: [1, 2], adversary.max_norm: [1]}]", "tied lists are equally"),
        ("tie: [{adversary.init_mag: 1}]", "expected lists that advance together"),
        ("tie: [{init_mag: [1, 2]}]", "write the section too, such as adversary.init_mag"),
        ("tie: [{adversary.init_mg: [1, 2]}]", "did you mean 'init_mag'?"),
        ("tie: [{adversary.init_mag: [1, -2]}]", "line 3, tie.0.adversary.init_mag: expected"),
        ("branches: [{advresary.adv_lr: 1}]", "did you mean 'adversary'?"),
        (
            "branches: [{adversary.adv_lr: -1}]",
            "branches.0.adversary.adv_lr: expected at least 0.0",
        ),
        ("branches: {adversary.adv_lr: 1}", "expected a list of settings to lay over"),
        ("branches: [{adversary.method: repeat, adversary.adv_lr: 1}]", "repeat does not read it"),
        ("branches: [{}, {adversary: {method: repeat, norm: l2}}]", "repeat does not read it"),
        ("where: [adversary.init_mg < 1]", "did you mean 'adversary.init_mag'?"),
        ("where: [init_mag < 1]", "unknown name 'init_mag'; did you mean 'adversary.init_mag'?"),
        (
            "where: [adversary.init_mag <]",
            "line 3, where.0: 'adversary.init_mag <' is no condition",
        ),
        ("where: [3]", "expected a condition such as"),
        ("clean_arm: off", "expected true or false, got the text 'off'; off is text in YAML 1.2"),
        ("seeds: []", "expected whole numbers from 0 to 4294967295, such as [1, 2, 3]"),
        ("seeds: [1, 2, 1]", "line 3, seeds: 1 stands twice; a seed is one replicate"),
        ("seeds: [-1]", "got [-1]"),
        ("seeds: [1.5]", "got [1.5]"),
        ("seeds: 0", "got 0"),
        ("seeds: [08]", "08 has a leading zero, which YAML readers take for octal, text or 8"),
        (
            "search: {algorithm: gird, budget: 3}",
            "search.algorithm: unknown name 'gird'; did you mean 'grid'? known: asha, gp, ",
        ),
        ("search: {algorithm: [grid]}", "expected an algorithm's name, got ['grid']"),
        ("search: 3", "search: expected a mapping, got 3"),
        (
            "search: {algorithm: grid, budget: 3}",
            "search.budget: grid does not read it; take it out (it is read by race, verdict)",
        ),
        (
            "search: {samples: 3}",
            "grid does not read it; take it out (it is read by asha, ",
        ),
        ("search: {algorithm: race, grace_epochs: 2}", "race does not read it; take it out (it is"),
        ("search: {mode: max}", "a metric knows which way is better; take it out"),
        ("search: {algoritm: grid}", "did you mean 'algorithm'?"),
        (
            "search: {metric: f1}",
            "task 'rte' has no such metric: unknown name 'f1'; known: accuracy",
        ),
        ("search: {algorithm: random, samples: 0}", "expected at least 1, got 0"),
        ("search: {algorithm: asha, epochs: 2, grace_epochs: 3}", "search.epochs (2) or less"),
        ("search: {epochs: 2}\ntrainer: {num_train_epochs: 2}", "says the same; take one out"),
        ("search: {epochs: 2}\ntrainer: {max_steps: 9}", "max_steps says how long a cell trains"),
        ("resources: {gpu: -1}", "expected at least 0.0, got -1"),
        ("table: {rows: [adv_rl]}", "did you mean 'adv_lr'?"),
        ("table: {rows: [revision]}", "'revision' may be model.revision or data.revision"),
        ("table: {rows: [adv_lr], columns: adv_lr}", "stands in rows too; take it out of one"),
        (
            "table: {bold: all}",
            "expected 'significant', 'at_least_clean', 'best' or 'none', got",
        ),
        ("verdict: {margin: 0}", "line 3, verdict.margin: expected above 0.0, got 0"),
        ("verdict: {margin: -0.5}", "verdict.margin: expected above 0.0, got -0.5"),
        ("search: {algorithm: verdict, margin: 0}", "search.margin: expected above 0.0, got 0"),
        (
            "search: {algorithm: verdict}\nverdict: {margin: 1}",
            "line 4, verdict.margin: search.margin says what is asked; take one out",
        ),
        ("verdict: {marign: 1}", "line 3, verdict.marign: unknown name 'marign'; did you mean"),
        ("name: a/b", "expected a name for a folder"),
        ("data: {source: hug}", "expected 'hub', 'glue', 'files' or 'synthetic', got the text"),
        ("data: {max_train_examples: 0}", "expected at least 1, got 0"),
        ("data: {text: 3}", "expected text or a list, got 3"),
        ("data: {path: 2020-01-02}", "2020-01-02 is a date to YAML; put it in quotes"),
        ("data: {path: !!python/name:os.system x}", "are not read; take it out"),
        ("run: {padding_free: yes}", "'yes' is text in YAML 1.2: write true or false"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_write(tmp_path, added, message):
    assert message in said(tmp_path, HEAD + added + "\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a search space is a mapping that begins with task: and model:, got nothing"),
        ("- 1\n", "got a list"),
        ("rte\n", "got the single value 'rte'"),
        ("task: [rte\nmodel: x\n", "line 2: not YAML: expected ',' or ']'"),
        ("task: rte\ntask: rte\n", "line 2: the same key stands twice, 'task'; take one out"),
        ("task: rte\n\tmodel: x\n", "line 2: not YAML: found character '\\t'"),
        ("task: a: b\n", "line 1: not YAML: mapping values are not allowed here"),
        (f"a: {'[' * 40}{']' * 40}\n", "nested too deeply"),
        ("task: rte\n---\ntask: rte\n", "not YAML"),
        ("model: x\n", "task: is missing; a search space names its task"),
        ("task: rte\n", "model: is missing; a search space names its model"),
        ("task: rte\nmodel: {revision: main}\n", "model.name: is missing"),
        ("task: rtee\nmodel: x\n", "line 1, task: unknown name 'rtee'; did you mean 'rte'?"),
        ("task: 3\nmodel: x\n", "line 1, task: expected a task's name, got 3"),
        ("task: rte\nmodel: ''\n", "model.name: expected text that is not empty, got the text ''"),
        ("task: rte\nmodel: 3\n", "1 problem\n  line 2, model: expected a mapping, got 3"),
        (
            f"{HEAD}trainer: !mine {{seed: 1}}\n",
            "trainer: tags such as !mine are not read; take it",
        ),
        (
            f"{HEAD}tie: !!python/name:os [1]\n",
            "tie: tags such as tag:yaml.org,2002:python/name:os",
        ),
        (f"{HEAD}seeds: 1000000000000\n", "such as 3 and at most 100,000, got 1000000000000"),
        (f"{HEAD}name: {'a' * 201}\n", "name: expected at most 200 bytes, got the text 'aaa"),
        (
            f"{HEAD}adversary: {{adv_lr: {{grid: [.nan]}}}}\n",
            "adv_lr: expected a finite number, got",
        ),
        ("task: rte\nmodel: config:bert\n", "model takes its sizes from here"),
        ("task: rte\nmodel: {name: x, config: {model_type: bert}}\n", "take model_type out"),
    ],
)
def test_a_file_that_is_no_search_space_is_said(tmp_path, text, message):
    assert message in said(tmp_path, text)


def test_a_file_that_is_not_there_is_said_with_those_beside_it(tmp_path):
    (tmp_path / "rte.yaml").write_text(HEAD)
    with pytest.raises(FreeLBTuneError, match=r"ret.yaml: there is no such file; .*rte\.yaml"):
        load_space(tmp_path / "ret.yaml")


def test_a_file_that_is_not_text_is_said(tmp_path):
    (tmp_path / "space.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FreeLBTuneError, match="cannot be read as UTF-8 text"):
        load_space(tmp_path / "space.yaml")


def test_aliases_and_merged_keys_are_read(tmp_path):
    text = HEAD + (
        "adversary: &base {adv_lr: 0.3, adv_steps: 2}\n"
        "branches: [{adversary: {<<: *base, max_norm: 0.5}}]\n"
    )
    assert column(cells_of(tmp_path, text), ADV_LR, MAX) == [(0.3, 0.5)]


def test_a_mapping_of_merged_keys_alone_is_read(tmp_path):
    text = HEAD + "adversary: &base {adv_lr: 0.3}\nbranches: [{adversary: {<<: *base}}]\n"
    assert column(cells_of(tmp_path, text), ADV_LR) == [(0.3,)]


def test_the_files_name_becomes_a_folders(tmp_path):
    path = tmp_path / "søk, 2. forsøk.yaml"
    path.write_text(HEAD)
    assert load_space(path).name == "søk_2._forsøk"


def test_a_folder_in_place_of_the_file_is_said(tmp_path):
    with pytest.raises(FreeLBTuneError, match="cannot be read: Is a directory"):
        load_space(tmp_path)


def test_a_thousandfold_alias_is_refused_before_it_fills_the_memory(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert "or too large" in said(tmp_path, "\n".join(lines))


@pytest.mark.parametrize(("written", "value"), [("1e-5", 1e-5), ("2E-5", 2e-5), ("1.e-5", 1e-5)])
def test_a_number_without_a_point_is_a_number(tmp_path, written, value):
    cells = cells_of(tmp_path, HEAD + f"trainer: {{learning_rate: {written}}}\n")
    assert cells[0].settings["trainer.learning_rate"] == value


def test_overrides_replace_what_the_file_says(tmp_path):
    text = HEAD + "adversary: {adv_lr: 0.1}\ntable: {rows: [adv_lr]}\nseeds: 3\n"
    overrides = ("adversary.adv_lr={grid: [0.3, 4e-1]}", "seeds=[1,2]", "trainer.max_steps=7")
    cells = cells_of(tmp_path, text, *overrides)
    assert column(cells, ADV_LR, "trainer.max_steps") == [(0.3, 7), (0.3, 7), (0.4, 7), (0.4, 7)]
    assert [cell.seed for cell in cells] == [1, 2] * 3


def test_an_override_of_the_model_keeps_its_other_settings(tmp_path):
    space = opened(tmp_path, HEAD, "model.revision=v1")
    assert space.content["model"] == {"name": "some/encoder", "revision": "v1"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("adversary.adv_stp=1", "override 'adversary.adv_stp=1', adversary.adv_stp: unknown name"),
        ("advresary.adv_lr=1", "override 'advresary.adv_lr=1', advresary: unknown name"),
        ("adversary.adv_lr=fast", "expected a number, got the text 'fast'"),
        ("seeds=[{a: 1}]", "override 'seeds=[{a: 1}]', seeds: expected whole numbers"),
        (
            "tie=[{adversary.init_mag: [-1]}]",
            "[-1]}]', tie.0.adversary.init_mag: expected at least",
        ),
        ("adversary.adv_lr=[1", "override 'adversary.adv_lr=[1': line 1: not YAML"),
        ("adversary.adv_lr", "write key=value, such as adversary.adv_lr=0.03"),
        ("adversary..x=1", "write key=value"),
        ("seeds.0=1", "override 'seeds.0=1': seeds holds a value, not settings"),
        ("adversary.max_norm=1", "is set twice, once under tie; take one out"),
    ],
)
def test_a_wrong_override_is_named(tmp_path, override, message):
    text = HEAD + "seeds: [1]\ntie: [{adversary.max_norm: [1, 2]}]\n"
    assert message in said(tmp_path, text, override)


def test_data_on_the_command_line_takes_the_place_of_the_files_source(tmp_path):
    text = HEAD + "data: {source: hub, path: a/b, revision: v1, max_train_examples: 9}\n"
    (cell, _) = planned(opened(tmp_path, text, data_dir=tmp_path)).cells
    assert cell.data.model_dump(exclude_none=True) == {
        "source": "glue",
        "path": str(tmp_path),
        "max_train_examples": 9,
        "max_length": 128,
    }


def test_a_local_folder_is_written_down_from_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glue").mkdir()
    text = HEAD + "data: {source: glue, path: {grid: [glue, elsewhere]}}\n"
    cells = cells_of(tmp_path, text)
    paths = {cell.settings["data.path"] for cell in cells}
    assert paths == {str(tmp_path / "glue"), "elsewhere"}


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        pytest.param(
            "trainer: {learning_rate: {grid: [1e-5]}, per_device_train_batch_size: {grid: [8]}}\n"
            "adversary: {norm: {grid: [l2]}, adv_lr: {grid: [0.1]}}\n"
            "tie: [{adversary.init_mag: [0.1]}]\n",
            ["adversary.norm", "adversary.adv_lr", "adversary.init_mag"],
            "trainer.per_device_train_batch_size",
            id="searched-adversary-by-batch-size",
        ),
        pytest.param(
            "trainer: {weight_decay: {grid: [0, 1]}, learning_rate: {grid: [1e-5]}}\n",
            None,
            "trainer.weight_decay",
            id="first-searched-trainer-setting",
        ),
        pytest.param("adversary: {adv_lr: {grid: [1]}}\n", ["adversary.adv_lr"], None, id="none"),
        pytest.param(
            "trainer: {per_device_train_batch_size: {grid: [8]}}\ntable: {columns: null}\n",
            None,
            None,
            id="asked-for-none",
        ),
        pytest.param(
            "table: {rows: [adv_lr, trainer.learning_rate], columns: bsz}\n",
            ["adversary.adv_lr", "trainer.learning_rate"],
            "trainer.per_device_train_batch_size",
            id="short-names",
        ),
    ],
)
def test_a_table_shows_the_searched_settings_unless_told_otherwise(tmp_path, text, rows, columns):
    table = opened(tmp_path, HEAD + text).table
    assert (table.rows, table.columns) == (rows, columns)


def test_a_drawn_trainer_setting_is_no_column(tmp_path):
    text = HEAD + (
        "trainer: {learning_rate: {uniform: [1e-5, 2e-5]}}\nsearch: {algorithm: random}\n"
    )
    assert opened(tmp_path, text).table.columns is None


def test_the_file_as_resolved_holds_overrides_and_branches(tmp_path):
    text = (
        "name: mine\n"
        + HEAD
        + (
            "adversary: {adv_lr: {uniform: [0.1, 0.3]}, max_norm: '${adversary.adv_lr}'}\n"
            "branches: [{adversary.norm: l2}, {adversary: {norm: linf}}]\n"
            "where: adversary.adv_lr < 0.25\n"
            "search: {algorithm: random, samples: 5}\n"
        )
    )
    first = opened(tmp_path, text, "seeds=2", "name=yes", "model.revision='08'")
    second = opened(tmp_path, first.to_yaml())
    assert planned(second) == planned(first)
    assert (second.name, second.seeds) == ("yes", (1, 2))
    assert first.content["table"]["rows"] == ["adversary.adv_lr"]
    assert planned(first).cells[0].settings["model.revision"] == "08"


def test_without_known_tasks_any_task_is_taken(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("task: mine\nmodel: x\n")
    assert load_space(path).task == "mine"


def test_problems_are_counted_in_words(tmp_path):
    assert re.match(r"space\.yaml: 1 problem\n", said(tmp_path, HEAD + "seeds: 0\n"))
