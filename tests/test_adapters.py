"""Adapters of peft: searched as any setting, trained exactly, kept small, loaded anywhere."""

import shutil

import numpy as np
import pytest
import torch
from conftest import tiny_encoder
from safetensors import safe_open
from test_training_cell import numbers, toy_cell
from transformers import AutoModelForSequenceClassification

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import Space, plan_cells
from freelb_tune.space.cells.naming import cell_labels
from freelb_tune.space.reading.document import document_of
from freelb_tune.space.settings import adapters
from freelb_tune.training import prepare, run_cell
from freelb_tune.training.contract import check
from freelb_tune.training.inputs.adapter import adapt, merged
from freelb_tune.training.inputs.tokens import TokenDataset
from freelb_tune.training.predicting.selected import load_best_model
from freelb_tune.training.preparing.checks import check_cells
from freelb_tune.training.probing.paths import paths_of
from freelb_tune.training.probing.tryout import made_up_batch

LORA = {"type": "lora", "r": 4, "target_modules": ["query", "value"]}


def plan(adapter, **more):
    model = {"name": "a/bert", **({} if adapter is None else {"adapter": adapter})}
    content = {"task": "rte", "model": model, "seeds": [1], **more}
    space = Space.read(document_of(content))
    known = {"data_fingerprint": lambda _: "d", "model_fingerprint": lambda _: "m"}
    return plan_cells(space, **known).cells


def labels(adapter, **more):
    return [label for label in cell_labels(plan(adapter, **more)).values() if "clean" not in label]


def adapters_of(cells):
    return [cell.model.adapted for cell in cells if cell.arm != "clean"]


def test_an_adapters_settings_are_searched_by_pefts_names_and_the_clean_arm_has_the_same():
    cells = plan({"type": "lora", "r": {"grid": [8, 16]}, "alpha": 16})
    assert adapters_of(cells) == [{"type": "lora", "r": r, "lora_alpha": 16} for r in (8, 16)]
    for cell in cells:
        clean = next(each for each in cells if each.config_id == cell.clean_id)
        assert clean.model.adapted == cell.model.adapted
    drawn = plan({"type": "lora", "r": {"int": [2, 64]}, "lora_alpha": "${model.adapter.r}"},
                 search={"algorithm": "random", "samples": 3})  # fmt: skip
    for each in adapters_of(drawn):
        assert each["lora_alpha"] == each["r"]
    kept = plan({"type": "lora", "r": {"grid": [4, 8]}}, where="model.adapter.r < 8")
    assert adapters_of(kept) == [{"type": "lora", "r": 4}]


@pytest.mark.parametrize(
    "both",
    [
        {"grid": ["none", {"type": "lora", "r": 8, "alpha": 32}]},
        {"type": {"grid": ["none", "lora"]}, "r": 8, "alpha": 32},
    ],
)
def test_full_and_adapter_stand_in_one_table_and_full_cells_keep_their_ids(both):
    cells = plan(both)
    assert adapters_of(cells) == [None, {"type": "lora", "r": 8, "lora_alpha": 32}]
    assert labels(both) == ["adapter none", "adapter lora"]
    assert [cell.id for cell in cells[:2]] == [cell.id for cell in plan(None)]
    assert not {cell.id for cell in cells[2:]} & {cell.id for cell in plan(None)}


def test_a_table_may_have_a_column_for_each_adapter_or_rank():
    both = {"grid": ["none", {"type": "lora", "r": 8}]}
    for name, full in (("adapter", "type"), ("adapter.r", "r"), ("model.adapter.r", "r")):
        content = {"task": "rte", "model": {"name": "a/bert", "adapter": both}}
        space = Space.read(document_of({**content, "table": {"columns": name}}))
        assert space.table.columns == f"model.adapter.{full}"
    with pytest.raises(FreeLBTuneError, match="table.columns: unknown name 'rr'; did you mean 'r'"):
        plan(both, table={"columns": "adapter.rr"})


def test_each_branch_has_its_own_adapter():
    branches = [{"model.adapter": "none"}, {"model": {"adapter": LORA}},
                {"model": {"adapter": {"type": "ia3"}}}]  # fmt: skip
    assert adapters_of(plan(None, branches=branches)) == [None, LORA, {"type": "ia3"}]


def test_how_an_adapter_is_kept_changes_no_id():
    alone = plan(LORA, run={"keep_adapter": "alone"})
    assert [cell.id for cell in alone] == [cell.id for cell in plan(LORA)]
    assert alone[0].run.keep_adapter == "alone"


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ({"type": "lorra"}, "model.adapter.type: unknown name 'lorra'; did you mean 'lora'"),
        ({"type": "prompt_tuning"}, "prompt_tuning is not taken, as it puts trained words before"),
        ({"type": "adalora"}, "model.adapter.type: adalora is not taken, as it needs more of each"),
        ({"type": ["lora", "ia3"]}, r"model.adapter.type: expected one type, or .*grid: \[lora, i"),
        ({"type": "lora", "alpha": 8, "lora_alpha": 3}, "alpha stands for lora_alpha, which is th"),
        (
            {"grid": ["none", {"type": "lora", "dropout": 0.1, "lora_dropout": 0.2}]},
            "model.adapter: dropout stands for lora_dropout, which is there too; take one out",
        ),
        ({"type": "lora", "rr": 4}, r"model.adapter.rr: unknown name 'rr'; did you mean 'r'"),
        ({"type": "lora", "r": "a"}, "model.adapter.r: expected a whole number, got the text 'a'"),
        ({"type": "lora", "task_type": "X"}, "task_type: is not for the space to set"),
        ({"r": 4}, "model.adapter: names no type; known: .*lora"),
        ([4], r"model.adapter: expected none or an adapter such as .*got \[4\]"),
    ],
)
def test_a_wrong_adapter_is_told_what_there_is(adapter, said):
    with pytest.raises(FreeLBTuneError, match=said):
        plan(adapter)


def test_whole_adapters_in_a_branchs_grid_are_told_where_they_may_stand():
    with pytest.raises(FreeLBTuneError, match="whole adapters stand in a grid outside of branches"):
        plan(None, branches=[{"model.adapter": {"grid": ["none", LORA]}}])


def test_without_peft_the_extra_is_named_and_full_training_needs_none(monkeypatch):
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    adapters._registry.cache_clear()
    try:
        with pytest.raises(FreeLBTuneError, match=r"pip install 'freelb-tune\[peft\]'"):
            plan(LORA)
        assert adapters_of(plan("none")) == [None]
    finally:
        adapters._registry.cache_clear()


# --- looked at, trained, kept


ADAPTED = {
    "model.adapter.type": "lora",
    "model.adapter.r": 4,
    "model.adapter.target_modules": ["query", "value"],
    "model.adapter.lora_dropout": 0.2,
}


def test_layers_that_are_not_there_are_told_from_those_that_are():
    lost = {"model.adapter.target_modules": ["query", "qv"]}
    said = "no layer of BertForSequenceClassification is called 'qv'; there are dense, key, "
    with pytest.raises(FreeLBTuneError, match=f"^model.adapter.target_modules: {said}"):
        check_cells([toy_cell(**ADAPTED | lost)])


def test_what_peft_refuses_is_told_as_the_adapters():
    with pytest.raises(FreeLBTuneError, match="^model.adapter: .*`r` should be a positive integer"):
        check_cells([toy_cell(**ADAPTED | {"model.adapter.r": 0})])


def test_a_plan_says_that_the_words_are_fixed_and_perturbed_all_the_same():
    said = check_cells([toy_cell(**ADAPTED)])
    assert any("leaves the word embeddings of config:bert as they are" in each for each in said)


def test_what_cannot_be_kept_as_asked_is_refused():
    alone = {"run.keep_adapter": "alone"}
    with pytest.raises(FreeLBTuneError, match="config:bert' has random weights.* write merged"):
        check_cells([toy_cell(**ADAPTED | alone)])


@pytest.mark.parametrize("kind", ["bert", "distilbert", "deberta-v2"])
def test_an_adversary_keeps_its_promises_with_an_adapter(kind):
    names = {"distilbert": ["q_lin", "v_lin"], "deberta-v2": ["query_proj", "value_proj"]}
    for adapter in ({"type": "lora"}, {"type": "ia3", "feedforward_modules": []}):
        own = {**adapter, "target_modules": names.get(kind, ["query", "value"])}
        model = adapt(tiny_encoder(kind), own)
        check("freelb", model)
        for method in ("tavat", "creat", "sam") if (kind, own["type"]) == ("bert", "lora") else ():
            check(method, model)
        assert paths_of(model).trimmed
        words = model.get_input_embeddings().weight
        assert not words.requires_grad


@pytest.mark.parametrize("kind", ["lora", "ia3", "loha", "lokr", "oft", "vera", "ln_tuning"])
def test_head_and_adapter_alone_are_trained_and_a_merged_model_answers_alike(kind):
    targets = ["LayerNorm"] if kind == "ln_tuning" else ["query", "dense"]
    own = {"type": kind, "target_modules": targets}
    own |= {"feedforward_modules": []} if kind == "ia3" else {}
    own |= {"oft_block_size": 4, "r": 0} if kind == "oft" else {}
    model = adapt(tiny_encoder("bert"), own).eval()
    moving = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert any("classifier" in name for name in moving)
    assert len(moving) < len(list(model.parameters()))
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in moving:
                weight.add_(0.05 * torch.randn(weight.shape, generator=noise))
        batch = {k: v for k, v in made_up_batch(model).items() if k != "labels"}
        want, got = model(**batch).logits, merged(model).eval()(**batch).logits
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_the_whole_head_is_trained_and_not_adapted():
    model = adapt(tiny_encoder("distilbert"), {"type": "lora", "target_modules": "all-linear"})
    moving = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert any("pre_classifier.modules_to_save" in name for name in moving)
    assert not any("classifier" in name and "lora" in name for name in moving)


@pytest.fixture
def run(tmp_path):
    def go(cell, folder, stop_after=None):
        prepared = prepare([cell], tmp_path / "cache")[cell.id]
        records = []

        def report(record):
            records.append(record)
            if len(records) == stop_after:
                raise InterruptedError

        try:
            run_cell(cell, prepared, tmp_path / folder, report)
        except InterruptedError:
            assert stop_after
        return records

    return go


def test_an_interrupted_cell_with_an_adapter_goes_on_bit_for_bit(run, tmp_path):
    cell = toy_cell(**ADAPTED, **{"trainer.num_train_epochs": 3})
    cell.settings["model.config"] |= {"hidden_dropout_prob": 0.2}
    straight = run(cell, "straight")
    run(cell, "broken", stop_after=2)
    with safe_open(tmp_path / "broken/checkpoint/adapter_model.safetensors", "pt") as file:
        assert all("lora" in name or "classifier" in name for name in file.keys())  # noqa: SIM118
    assert not (tmp_path / "broken/checkpoint/model.safetensors").exists()
    assert numbers(run(cell, "broken")) == numbers(straight)
    assert straight[0].delta_norm > 0
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "broken" / "model")
    assert not any("lora" in name for name in model.state_dict())  # merged, and loads anywhere
    _assert_answers_as_then(model.eval(), cell, tmp_path, "broken", numbers(straight))


def test_an_adapter_kept_alone_loads_over_its_model_and_needs_it(run, tmp_path):
    one = {"trainer.num_train_epochs": 1}
    run(toy_cell(**one), "base")
    base, home = tmp_path / "base" / "model", tmp_path / "cell" / "model"
    cell = toy_cell(**ADAPTED | one | {"model.name": str(base), "run.keep_adapter": "alone"})
    del cell.settings["model.config"]
    records = run(cell, "cell")
    assert not (home / "model.safetensors").exists()
    _assert_answers_as_then(load_best_model(home), cell, tmp_path, "cell", numbers(records))
    shutil.rmtree(base)
    with pytest.raises(FreeLBTuneError, match="the adapter is for the model in .*not there"):
        load_best_model(home)


def _assert_answers_as_then(model, cell, home, folder, records):
    """A kept model's logits are those that its epoch's predictions have."""
    best = max(records, key=lambda record: record["score"])["epoch"]
    said = np.load(home / folder / "predictions" / f"epoch_{best:04d}.npz")["dev.logits"]
    rows = TokenDataset(prepare([cell], home / "cache")[cell.id].tokens.folder / "dev")
    for place in (0, 7):
        row = {k: torch.tensor(v)[None] for k, v in rows[place].items() if k != "labels"}
        with torch.no_grad():
            logits = model(**row).logits[0].numpy()
        np.testing.assert_allclose(logits, said[place], rtol=1e-3, atol=1e-5)
