"""What each flag of another code base becomes here, and what is said of it: one row per flag."""

import json

import pytest
from space_fixtures import planned
from test_space_import import (
    ALBERT,
    ALBERTS,
    FAIRSEQ,
    LAUNCHED,
    PARAGEN,
    fairseq,
    flags,
    imported,
    refused,
)

from freelb_tune.errors import FreeLBTuneError

ROW = f"run_exp 0 {LAUNCHED['rte']}\n"


def launched(folder, extra="", script=FAIRSEQ):
    """The one cell of RTE's row, launched with flags of its own, and the notes."""
    text = script.replace("METRIC", "accuracy").replace("EXTRA", extra) + ROW
    (space,), notes = imported(folder, text, name="launch.sh")
    (cell,) = planned(space).cells
    return cell.settings, notes


@pytest.mark.parametrize(
    ("flag", "name", "value"),
    [
        ("--dropout 0.2", "model.config", {"hidden_dropout_prob": 0.2, "classifier_dropout": 0.0}),
        ("--pooler-dropout 0.1", "model.config", {"classifier_dropout": 0.1}),
        ("--attention-dropout 0.3", "model.config",
         {"attention_probs_dropout_prob": 0.3, "classifier_dropout": 0.0}),
        ("--max-positions 128", "data.max_length", 128),
        ("--arch roberta_base", "model.name", "roberta-base"),
        ("--restore-file roberta.large.mnli/model.pt", "model.name", "roberta-large-mnli"),
        ("--weight-decay 0", "trainer.weight_decay", 0.0),
        ("--clip-norm 5", "trainer.max_grad_norm", 5.0),
        ("--adam-betas (0.8,0.98)", "trainer.adam_beta2", 0.98),
        ("--adam-eps 1e-8", "trainer.adam_epsilon", 1e-8),
        ("--norm-method linf", "adversary.norm", "linf"),
        ("--adv-begin-iter 500", "adversary.adv_begin_step", 500),
        ("--rand-init-mag -1", "adversary.init_mag", 0.0),
        ("--max-update 1000", "trainer.max_steps", 1000),
    ],
)  # fmt: skip
def test_a_fairseq_flag_becomes_this_setting(tmp_path, flag, name, value):
    # the last of two flags of one name counts, so one more at the end changes a setting
    settings, _ = launched(tmp_path, flag.replace("(", "'(").replace(")", ")'"))
    assert settings[name] == value


@pytest.mark.parametrize(
    ("flag", "note"),
    [
        ("--fp16", "--fp16: here bf16 is the default on GPUs that have it"),
        ("--weight-decay 0.1", "fairseq decays every weight; here biases and LayerNorm are spared"),
        ("--seed 3", "the head has no dropout (fairseq's --pooler-dropout is 0)"),
        ("--seed 3", "--max-tokens 4400 made batches of long examples smaller"),
        ("--seed 3", "--max-sentences 2 x --update-freq 8 is per_device_train_batch_size 16; what"),
        ("--restore-file a/mnli.pt", "taken for the Hub's roberta-large-mnli; its head is replac"),
        ("--best-checkpoint-metric f1", "selects by f1, which rte does not have here"),
        ("--lazy-load", "NOT UNDERSTOOD, left out: --lazy-load"),
    ],
)
def test_what_a_fairseq_flag_means_otherwise_here_is_told(tmp_path, flag, note):
    _, notes = launched(tmp_path, flag)
    assert note in notes


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--arch bart_large", "--arch: expected roberta_base or roberta_large, got 'bart_large'"),
        ("--lr-scheduler fixed", "--lr-scheduler: expected polynomial_decay, got 'fixed'"),
        ("--optimizer sgd", "--optimizer: only adam is read"),
        ("--adam-betas 0.9", "--adam-betas: expected two numbers, got '0.9'"),
        ("--max-epoch ten", "--max-epoch: expected a whole number, got 'ten'"),
        ("--max-update 100", "training ends after 100 updates, within the 122 over which"),
    ],
)
def test_a_fairseq_flag_that_has_no_meaning_here_is_refused(tmp_path, flag, message):
    assert message in refused(tmp_path, fairseq(ROW, extra=flag), name="launch.sh")


def test_a_launch_of_own_data_says_how_it_is_written(tmp_path):
    text = fairseq(ROW.replace("RTE", "IMDB"))
    told = refused(tmp_path, text, name="launch.sh")
    assert "runs on own data are written by hand, with task: classification and data.train" in told


def glued(folder, *base):
    """The cells of a plain run_glue.py search with these flags, and the notes."""
    (space,), notes = imported(folder, flags(*base))
    return planned(space).cells, notes


@pytest.mark.parametrize(
    ("base", "name", "value"),
    [
        (("--max_seq_length", 256), "data.max_length", 256),
        (("--per_gpu_train_batch_size", 4), "trainer.per_device_train_batch_size", 4),
        (("--per_gpu_train_batch_size", 4, "--gradient_accumulation_steps", 8),
         "trainer.per_device_train_batch_size", 32),
        (("--gpu", "0,1,2"), "trainer.per_device_train_batch_size", 24),
        (("--hidden_dropout_prob", 0.2), "model.config", {"hidden_dropout_prob": 0.2}),
        (("--max_steps", 500), "trainer.max_steps", 500),
        (("--adv_steps", 2, "--norm_type", "linf"), "adversary.norm", "linf"),
        (("--adv_steps", 2, "--adv_init_mag", -1), "adversary.init_mag", 0.0),
        (("--adv_steps", 2, "--adv_max_norm", 0.3), "adversary.max_norm", 0.3),
        (("--adv_steps", 1), "adversary.method", "none"),
    ],
)  # fmt: skip
def test_a_run_glue_flag_becomes_this_setting(tmp_path, base, name, value):
    (cell,), _ = glued(tmp_path, *base)
    assert cell.settings[name] == value


def test_without_a_number_of_updates_run_glue_trains_three_epochs(tmp_path):
    (cell,), _ = glued(tmp_path)
    assert cell.settings["trainer.num_train_epochs"] == 3.0
    assert "trainer.max_steps" not in cell.settings
    (tmp_path / "more").mkdir()
    (cell,), _ = glued(tmp_path / "more", "--max_steps", 500, "--num_train_epochs", 9)
    assert "trainer.num_train_epochs" not in cell.settings


@pytest.mark.parametrize(
    ("base", "note"),
    [
        (("--fp16",), "--fp16: here bf16 is the default on GPUs that have it"),
        (("--hidden_dropout_prob", 0.2), "laid over the checkpoint's own config by model.config"),
        (("--batch_size", 4, "--gradient_accumulation_steps", 2),
         "4 x 2 accumulated is per_device_train_batch_size 8; what does not fit"),
        (("--adv_steps", 3), "--adv-steps 3 counts the passes, as adv_steps does here"),
        (("--data_dir", "glue"), "GLUE is taken from the Hub; --data FOLDER takes a local copy"),
        (("--seed", 1, "--seed", 2), "--seed stands twice; the later value counts"),
    ],
)  # fmt: skip
def test_what_a_run_glue_flag_means_otherwise_here_is_told(tmp_path, base, note):
    assert note in glued(tmp_path, *base)[1]


def test_the_authors_script_says_how_it_read_dropout_and_batches(tmp_path):
    text = f"{ALBERT}runexp QNLI 0 albert-xxlarge-v2 {ALBERTS['QNLI']} 42 1e-2\n"
    _, notes = imported(tmp_path, text, name="run_glue.sh")
    assert "8 x 4 accumulated is per_device_train_batch_size 32" in notes
    assert "dropout is laid over the checkpoint's own config by model.config" in notes


def paragen(folder, *more, **fields):
    """ParaGen's search with flags added, and fields of the file replaced."""
    configs = {**PARAGEN["configs"]}
    configs["==base=="] = [*configs["==base=="], *more]
    return imported(folder, {**PARAGEN, "configs": configs, **fields})


@pytest.mark.parametrize(
    "note",
    [
        "ParaGen decays every weight; here biases and LayerNorm are spared",
        "ParaGen always projects onto the ball; max_norm does so here too, null would not",
        "ParaGen draws new dropout masks in each pass; here the passes share them",
        "no env.seed: ParaGen's default, 0",
        "Ray gives each trial its GPU; CUDA_VISIBLE_DEVICES limits which",
    ],
)
def test_what_paragen_does_otherwise_is_told(tmp_path, note):
    assert note in paragen(tmp_path)[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--task.trainer.optimizer.class", "Adam"), "class: expected AdamW, got 'Adam'"),
        (("--task.trainer.optimizer.lr.class", "Fixed"),
         "lr.class: expected PolynomialDecayScheduler, got 'Fixed'"),
        (("--task.trainer.optimizer.lr.power", 2), "power and end_rate: only 1 and 0 are read"),
        (("--task.trainer.max_epochs", 3), "max_epochs is not read; write max_steps"),
        (("--task.trainer.max_steps", 100), "training ends after 100 updates, within the 122"),
    ],
)  # fmt: skip
def test_what_paragen_sets_and_cannot_be_kept_is_refused(tmp_path, more, message):
    with pytest.raises(FreeLBTuneError, match=r"search\.json: run 1: ") as raised:
        paragen(tmp_path, *more)
    assert message in str(raised.value)


def test_a_paragen_ball_of_nothing_is_refused(tmp_path):
    flag = '"--task.model.max_norm", "0'
    text = json.dumps(PARAGEN).replace(f'{flag}.01"', f'{flag}"')
    assert "max_norm 0: ParaGen always projects, onto nothing here" in refused(tmp_path, text)


def test_a_paragen_configuration_that_is_not_there_is_named(tmp_path):
    text = json.dumps(PARAGEN).replace("glue/configs/RTE.yaml", "glue/configs/QQP.yaml")
    told = refused(tmp_path, text)
    assert "--config glue/configs/QQP.yaml is not to be found in" in told
    assert "put it there, at the same relative path" in told


def test_a_switched_off_adversary_of_paragen_is_three_clean_passes(tmp_path):
    folder = tmp_path / "glue" / "configs"
    folder.mkdir(parents=True)
    (folder / "RTE.yaml").write_text(
        "task:\n"
        "  data: {train: {sampler: {max_samples: 16}, path: a/RTE/train}}\n"
        "  model: {class: Plain, pretrained_model: x/y}\n"
        "  trainer: {class: AdvTrainer, optimizer: {class: AdamW, update_frequency: 2,\n"
        "    lr: {max_rate: 1e-5, warmup_steps: 1, total_steps: 50}}}\n"
    )
    base = {"==base==": ["--config", "glue/configs/RTE.yaml", "--env.seed", [1, 2]]}
    (space,), notes = imported(tmp_path, {**PARAGEN, "configs": base})
    cells = planned(space).cells
    assert [c.settings["adversary.method"] for c in cells] == ["none", "none"]
    assert {c.settings["trainer.per_device_train_batch_size"] for c in cells} == {32}
    assert "AdvTrainer with Plain, which does not perturb: three clean passes" in notes


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"concurrency": "#CUDA"}, "concurrency #CUDA: here as many trials as fit"),
        ({"timeout": 60}, "NOT UNDERSTOOD, left out: timeout: 60"),
    ],
)
def test_what_manytasks_says_of_the_machine_is_told(tmp_path, fields, told):
    assert told in paragen(tmp_path, **fields)[1]


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ({"==base==": [], "==less==": []}, "configs.==less==: only ==base== and ==more== are read"),
        ({"==base==": [], "==more==": {"a": 1}}, "configs.==more==: expected a list of lists"),
        ({"==base==": ["--a", [1] * 400, "--b", [1] * 400]}, "spans 160,000 runs, more than 100"),
        ({"==base==": ["--a", "x", "--b", "${a[y:z]}"]}, "${a[y:z]} has no case for 'x'"),
    ],
)  # fmt: skip
def test_a_manytasks_file_that_spans_otherwise_is_refused(tmp_path, configs, message):
    assert message in refused(tmp_path, json.dumps({"executor": "run_glue.py", "configs": configs}))
