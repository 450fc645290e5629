"""Files of other code bases as search spaces: the same runs, and a word on all that differs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from space_fixtures import column, planned

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.importing import import_spaces, save_spaces
from freelb_tune.space import load_space
from freelb_tune.tasks import GLUE, task_metrics

ROOT = Path(__file__).parents[1]
SIZES = {task.name: task.sizes[0] for task in GLUE}
LENGTHS = ("adversary.adv_lr", "adversary.init_mag", "adversary.max_norm")

# bytedance/ParaGen@4e33a900, examples/adversarial_sequence_classification/search.json
PARAGEN = {
    "executor": "paragen-run",
    "cuda": [0, 1, 2, 3, 4, 5, 6, 7],
    "concurrency": 8,
    "configs": {
        "==base==": [
            *("--config", "glue/configs/RTE.yaml"),
            *("--task.model.adv_lr", [0.05, 0.1]),
        ],
        "==more==": [
            ["--task.model.init_mag", size, "--task.model.max_norm", size]
            for size in ("0.01", "0.02", "0.03", "0.06")
        ],
    },
}

FAIRSEQ = """
function run_exp {
    GPU=${1}
    TOTAL_NUM_UPDATES=${2}
    WARMUP_UPDATES=${3}
    LR=${4}
    NUM_CLASSES=${5}
    MAX_SENTENCES=${6}
    FREQ=${7}
    DATA=${8}
    ADV_LR=${9}
    ADV_STEPS=${10}
    INIT_MAG=${11}
    SEED=${12}
    MNORM=${13}

START=pretrained/roberta.large/model.pt
exp_name=FreeLB-${DATA}-lr${LR}-seed${SEED}-mnorm${MNORM}
log_path=logs/${exp_name}.log
echo "running with GPU"${GPU}
CUDA_VISIBLE_DEVICES=${GPU} \\
    nohup \\
    python train.py ${DATA}-bin/ \\
    --restore-file $START \\
    --max-positions 512 --max-sentences $MAX_SENTENCES --max-tokens 4400 \\
    --task sentence_prediction --arch roberta_large --num-classes $NUM_CLASSES \\
    --update-freq ${FREQ} --dropout 0.1 --attention-dropout 0.1 \\
    --weight-decay 0.1 --optimizer adam --adam-betas "(0.9, 0.999)" --adam-eps 1e-06 \\
    --clip-norm 0.0 --save-dir roberta-chks/${exp_name} \\
    --lr-scheduler polynomial_decay --lr $LR --total-num-update $TOTAL_NUM_UPDATES \\
    --warmup-updates $WARMUP_UPDATES --max-epoch 10 --seed ${SEED} \\
    --best-checkpoint-metric METRIC --maximize-best-checkpoint-metric \\
    --rand-init-mag ${INIT_MAG} --adv-lr ${ADV_LR} --adv-steps ${ADV_STEPS} \\
    --max-norm ${MNORM} \\
    EXTRA \\
    > ${log_path} 2>&1 &
    #--fp16 --fp16-init-scale 4 --threshold-loss-scale 1 \\
}

# run_exp GPU TOTAL_NUM_UPDATES WARMUP LR CLASSES SENTENCES FREQ DATA ADV_LR STEP MAG SEED MNORM
"""

# huggingface-transformers/launch/run_glue.sh
ALBERT = """#!/usr/bin/env bash
function runexp {
export TASK_NAME=${1}
gpu=${2}      # The GPU you want to use
mname=${3}    # Model name
alr=${4}
amag=${5}
anorm=${6}
asteps=${7}
lr=${8}
bsize=${9}
gas=${10}     # Gradient accumulation
seqlen=512    # Maximum sequence length
hdp=${11}
adp=${12}
ts=${13}
ws=${14}
seed=${15}
wd=${16}
expname=FreeLB-${mname}-${TASK_NAME}
python examples/run_glue_freelb.py \\
  --model_type albert --model_name_or_path ${mname} --task_name $TASK_NAME \\
  --do_train --do_eval --do_lower_case --max_seq_length ${seqlen} \\
  --per_gpu_train_batch_size ${bsize} --gradient_accumulation_steps ${gas} \\
  --learning_rate ${lr} --weight_decay ${wd} --gpu ${gpu} --output_dir checkpoints/${expname}/ \\
  --hidden_dropout_prob ${hdp} --attention_probs_dropout_prob ${adp} \\
  --adv-lr ${alr} --adv-init-mag ${amag} --adv-max-norm ${anorm} --adv-steps ${asteps} \\
  --evaluate_during_training --max_steps ${ts} --warmup_steps ${ws} --seed ${seed} \\
  --logging_steps 100 --save_steps 100 --fp16 --comet \\
  > logs/${expname}.log 2>&1 &
}
# runexp TASK_NAME gpu model_name adv_lr adv_mag anorm asteps lr bsize accu hdp adp ts ws seed wd
"""


def imported(folder, text, *, name="search.json", commented=False):
    """The spaces of a file of this text, loaded, and the notes."""
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
    spaces, notes = import_spaces(
        path, metrics=task_metrics(), train_sizes=SIZES, commented=commented
    )
    written = save_spaces(spaces, folder / "spaces")
    if len(spaces) == 1:
        written = [written[0].rename(folder / f"{spaces[0].name}.yaml")]
    return [load_space(each, tasks=task_metrics()) for each in written], "\n".join(notes)


def fairseq(rows, metric="accuracy", extra=""):
    """The script with these rows."""
    return FAIRSEQ.replace("METRIC", metric).replace("EXTRA", extra) + rows


def refused(folder, text, name="search.json"):
    """The message about a file of this text."""
    with pytest.raises(FreeLBTuneError, match=name.replace(".", r"\.")) as raised:
        imported(folder, text, name=name)
    return str(raised.value)


def flags(*base, more=()):
    """A ManyTasks file of a plain run_glue.py search."""
    head = ["--task_name", "RTE", "--model_name_or_path", "roberta-base"]
    return {"executor": "python run_glue.py", "cuda": [], "concurrency": "#CUDA",
            "configs": {"==base==": [*head, *base], "==more==": list(more)}}  # fmt: skip


def test_paragens_search_plans_to_its_eight_runs(tmp_path):
    (space,), notes = imported(tmp_path, PARAGEN)
    cells = planned(space).cells
    # adv_lr {0.05, 0.1} x init_mag = max_norm {0.01, 0.02, 0.03, 0.06}
    wanted = {(lr, m, m) for lr in (0.05, 0.1) for m in (0.01, 0.02, 0.03, 0.06)}
    assert len(cells) == 8
    assert set(column(cells, *LENGTHS)) == wanted
    assert space.content["adversary"]["adv_lr"] == {"grid": [0.05, 0.1]}
    assert [sorted(tie) for tie in space.content["tie"]] == [sorted(LENGTHS[1:])]
    first = cells[0].settings
    assert (first["task"], first["model.name"]) == ("rte", "roberta-base")
    assert first["adversary.adv_steps"] == 3
    assert first["trainer.max_steps"] == 2036
    assert first["trainer.learning_rate"] == 2e-5
    assert first["trainer.max_grad_norm"] == 0  # ParaGen clips nothing
    assert (space.resources.gpu, space.resources.max_concurrent) == (1, 8)
    for word in ("adds the gradients of its 3 passes", "always projects", "token 1 for padding"):
        assert word in notes


def test_a_paragen_configuration_beside_the_file_is_read(tmp_path):
    config = tmp_path / "glue" / "configs"
    config.mkdir(parents=True)
    (config / "RTE.yaml").write_text(
        "task:\n"
        "  data: {train: {sampler: {max_samples: 32},"
        " dataset: {path: {input0: glue/data/CoLA/train.input0}}}}\n"
        "  model: {class: AdvHuggingfaceSequenceClassificationModel, pretrained_model: x/y}\n"
        "  trainer:\n"
        "    class: AdvTrainer\n"
        "    max_steps: 50\n"
        "    optimizer:\n"
        "      class: AdamW\n"
        "      betas: (0.9, 0.98)\n"
        "      lr: {class: PolynomialDecayScheduler, max_rate: 3e-5, warmup_steps: 10,"
        " total_steps: 90}\n"
        "env: {seed: 7, device: cuda}\n"
    )
    (space,), notes = imported(tmp_path, PARAGEN)
    cell = planned(space).cells[0]
    assert (cell.settings["task"], cell.settings["model.name"], cell.seed) == ("cola", "x/y", 7)
    assert cell.settings["trainer.per_device_train_batch_size"] == 32
    # the line falls from 3e-5 at 10 to 0 at 90; at 50 it is half way
    assert cell.settings["trainer.max_steps"] == 50
    assert cell.settings["trainer.lr_scheduler_kwargs"] == {"lr_end": 1.5e-5, "power": 1.0}
    assert "4e33a900" not in notes


def test_a_paragen_model_that_does_not_perturb_takes_no_lengths(tmp_path):
    flag = '"--task.model.adv_lr"'
    text = json.dumps(PARAGEN).replace(flag, f'"--task.model.class", "Plain", {flag}')
    told = refused(tmp_path, text)
    assert "model class, Plain, does not perturb" in told


@pytest.mark.parametrize(
    ("value", "spanned"),
    [
        pytest.param([0.1, 0.2], [0.1, 0.2], id="list"),
        pytest.param("$<0.1|0.3>", [0.1, 0.3], id="set"),
        pytest.param("0.$<1:6:2>", [0.1, 0.3, 0.5], id="range"),
        pytest.param("0.$<1:3;2>", [0.01, 0.02], id="zero-padded"),
        pytest.param("0.$<1|2>$<5:7>", [0.15, 0.16, 0.25, 0.26], id="composed"),
    ],
)
def test_what_manytasks_spans_is_spanned(tmp_path, value, spanned):
    (space,), _ = imported(tmp_path, flags("--adv_steps", 3, "--adv_lr", value))
    assert column(planned(space).cells, "adversary.adv_lr") == [(v,) for v in spanned]


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        pytest.param("${--adv_lr}", [0.1, 0.25], id="flag"),
        pytest.param("${adv_lr}", [0.1, 0.25], id="without-dashes"),
        pytest.param("${adv_lr[0:3]}", [0.1, 0.2], id="slice"),
        pytest.param("${adv_lr[0.1:0.4,_:0.5]}", [0.4, 0.5], id="cases"),
    ],
)
def test_a_reference_takes_another_flags_value(tmp_path, reference, value):
    base = ("--adv_steps", 2, "--adv_lr", [0.1, 0.25], "--adv_init_mag", reference)
    (space,), _ = imported(tmp_path, flags(*base))
    assert column(planned(space).cells, "adversary.adv_lr", "adversary.init_mag") == list(
        zip([0.1, 0.25], value, strict=True)
    )
    assert "tie" in space.content


def test_runs_of_different_flags_become_branches(tmp_path):
    more = [["--adv_steps", "3", "--adv_lr", "0.1"], ["--learning_rate", "1e-5"]]
    (space,), _ = imported(tmp_path, flags("--seed", [1, 2], more=more))
    cells = planned(space).cells
    told = [(c.settings["adversary.method"], c.settings["trainer.learning_rate"], c.seed)
            for c in cells]  # fmt: skip
    assert told == [
        ("freelb", 5e-5, 1), ("freelb", 5e-5, 2), ("none", 1e-5, 1), ("none", 1e-5, 2),
    ]  # fmt: skip


def test_a_json_file_may_have_comments_and_trailing_commas(tmp_path):
    text = """{
      // the executor # and its configs
      "executor": "paragen-run", # runs "it"
      /* "configs": {}, */
      "configs": {"==base==": ["--config", "glue/configs/RTE.yaml", "--env.seed", "$<1|2>",],
                  "==more==": [["--task.model.adv_lr", "0.1",], ], },
    }"""
    (space,), _ = imported(tmp_path, text)
    assert space.seeds == (1, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({"a": 1}, "configs has no list ==base==", id="other-json"),
        pytest.param("{\n'a'", "line 2: not JSON", id="no-json"),
        pytest.param("[" * 100_000, "not JSON that can be read: maximum recursion", id="deep"),
        pytest.param("9" * 5000, "not JSON that can be read: Exceeds the limit", id="long-number"),
        pytest.param("\ufeff[]", "is no ManyTasks file", id="byte-order-mark"),
        pytest.param(flags("--adv_lr", "{range(3)}"), "run Python", id="python"),
        pytest.param(flags("--x", "<a_[--seed]>"), "write a list, or ${--flag}", id="old"),
        pytest.param(flags("--x", "$<files:*.py>"), "$<files:*.py> is not read", id="files"),
        pytest.param(flags("--x", "$<range(9)>"), "$<range(9)> is not read", id="call"),
        pytest.param(flags("--x", "$<5:5>"), "$<5:5> spans nothing", id="empty"),
        pytest.param(flags("--x", ["$<1:3>"]), "does not span it", id="in-a-list"),
        pytest.param(flags("--x", "${--y}"), "refers to a flag that is not there", id="dangling"),
        pytest.param(flags("--x", "${--x}"), "refers to itself", id="itself"),
        pytest.param(flags("--adv_lr", "fast"), "adv_lr: expected a number, got 'fast'", id="text"),
        pytest.param(flags("--adv_steps"), "adv_steps: expected a whole number, got nothing",
                     id="no-value"),
        pytest.param(flags("--learning_rate", -1), "--learning_rate: expected at", id="range"),
        pytest.param({"configs": {"==base==": []}}, "task_name is missing", id="no-task"),
        pytest.param(flags("--task_name", "RTEE"), "did you mean 'rte'", id="unknown-task"),
        pytest.param(flags("--momentum", [1, 2]), "differ only in momentum (1 and 2)", id="merged"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said(tmp_path, content, message):
    told = refused(tmp_path, content if isinstance(content, str) else json.dumps(content))
    assert message in told


def test_a_flag_without_counterpart_is_told_and_one_that_changes_nothing_too(tmp_path):
    base = ("--momentum", 1, "--output_dir", "out/${--seed}", "--seed", [1, 2])
    (space,), notes = imported(tmp_path, flags(*base))
    assert "NOT UNDERSTOOD, left out: momentum 1" in notes
    assert "no counterpart, and no effect on the numbers: output_dir" in notes
    assert len(planned(space).cells) == 2
    head = (tmp_path / "search.yaml").read_text("utf-8")
    assert "# - NOT UNDERSTOOD, left out: momentum 1\n" in head


def test_a_switch_is_on_and_off(tmp_path):
    (space,), _ = imported(tmp_path, flags("--full_determinism", "$<?>"))
    values = {c.settings.get("trainer.full_determinism", False) for c in planned(space).cells}
    assert values == {True, False}


# zhuchen03/FreeLB, fairseq-RoBERTa/launch/FreeLB; RTE's adv_lr is issue 11's
LAUNCHED = {
    "cola": "5536 320 1e-5 2 8 2 CoLA 2.5e-2 3 4e-1 9017 3e-1",
    "mnli": "123873 7432 1e-05 3 3 11 MNLI 1e-1 2 1e-1 7456 3e-1",
    "mrpc": "2296 137 5e-6 2 2 8 MRPC 4e-2 3 0.64 31455 4e-1",
    "qnli": "33112 1986 1e-5 2 2 16 QNLI 1e-1 2 2e-1 2333 2e-1",
    "qqp": "113272 28318 1e-5 2 32 1 QQP 2e-1 2 3.2e-1 1114 7e-1",
    "rte": "2036 122 1e-5 2 2 8 RTE 3e-2 3 1.6e-1 1234 1.4e-1",
    "sst2": "20935 1256 1e-5 2 8 4 SST-2 1e-1 2 1 98764 6e-1",
    "stsb": "3598 214 2e-05 1 8 2 STS-B 1e-1 3 1.6e-1 8888 2.8e-1",
}


@pytest.mark.parametrize("task", LAUNCHED)
def test_a_shipped_roberta_space_is_what_the_authors_row_means(tmp_path, task):
    metric = {"cola": "mcc", "stsb": "pearson"}.get(task, "accuracy")
    text = fairseq(f"run_exp 0 {LAUNCHED[task]}\n", metric)
    (space,), _ = imported(tmp_path, text, name="launch.sh")
    (cell,) = planned(space).cells
    shipped = load_space(ROOT / f"search_spaces/glue/roberta_large_{task}.yaml")
    same = [c for c in planned(shipped).cells if c.arm == "adversarial" and c.seed == cell.seed]
    assert [c.settings for c in same] == [cell.settings]


# huggingface-transformers/launch/run_glue.sh: adv_lr mag norm steps lr batch accu hdp adp ts ws
ALBERTS = {
    "SST-2": "1e-1 6e-1 0 2 1e-5 32 1 0.1 0 20935 1256",
    "MRPC": "3e-2 0 0 4 2e-5 16 1 0.1 0 800 200",
    "CoLA": "4e-2 5e-2 0 3 1e-5 16 1 0.1 0 5336 320",
    "STS-B": "1e-1 2e-1 0 3 2e-5 16 1 0.1 0 3598 214",
    "MNLI": "4e-2 8e-2 0 3 3e-5 128 1 0.1 0 10000 1000",
    "QQP": "2e-1 3.2e-1 7e-1 3 5e-5 128 1 0.1 0.1 14000 1000",
    "RTE": "1e-1 0 0 3 3e-5 32 1 0.1 0.1 800 200",
    "QNLI": "5e-2 1e-1 0 3 1e-5 8 4 0.1 0 33112 1986",
}


def test_the_shipped_albert_spaces_are_what_the_authors_rows_mean(tmp_path):
    rows = "\n".join(
        f"runexp {t} 0 albert-xxlarge-v2 {row} 42 1e-2\n" for t, row in ALBERTS.items()
    )
    spaces, notes = imported(tmp_path, ALBERT + rows, name="run_glue.sh")
    assert [s.task for s in spaces] == [
        "sst2",
        "mrpc",
        "cola",
        "stsb",
        "mnli",
        "qqp",
        "rte",
        "qnli",
    ]
    for space in spaces:
        (cell,) = planned(space).cells
        shipped = load_space(ROOT / f"search_spaces/glue/albert_xxlarge_v2_{space.task}.yaml")
        known = planned(shipped).cells[1]
        assert (known.settings, known.seed) == (cell.settings, cell.seed)
    assert "--adv-max-norm 0 is no ball: max_norm null" in notes
    assert "every 100 updates; here after each epoch" in notes


def test_fairseqs_ascents_become_passes_and_its_rows_without_become_clean(tmp_path):
    rows = (
        "run_exp 0 1562 122 1e-5 2 2 8 RTE 0 0 0 4207 0\n"
        "run_exp 1 1562 122 1e-5 2 2 8 RTE 0 0 0 9017 0\n"
        "#run_exp 2 2036 122 1e-5 2 2 8 RTE 6e-2 3 1.6e-1 1234 1.4e-1\n"
        "#run_exp 3 2036 122 1e-5 2 2 8 RTE 9e-2 3 1.6e-1 1234 -1\n"
        "#run_exp 0 2036 122 1e-5 2 2 8 RTE 3e-2 3 1.6e-1 1234 0\n"
        "sleep 11000\n"
    )
    (space,), notes = imported(tmp_path, fairseq(rows), name="rte.sh")
    assert [(c.arm, c.seed) for c in planned(space).cells] == [("clean", 4207), ("clean", 9017)]
    assert "3 rows are commented out and left out (lines " in notes
    assert "sleep 11000" in notes
    (tmp_path / "more").mkdir()
    spaces, notes = imported(tmp_path / "more", fairseq(rows), name="rte.sh", commented=True)
    assert [space.seeds for space in spaces] == [(4207, 9017), (1234,)]
    cells = planned(spaces[1]).cells
    assert column(cells, "adversary.adv_steps", *LENGTHS) == [
        (4, 0.06, 0.16, 0.14), (4, 0.09, 0.16, None), (4, 0.03, 0.16, None),
    ]  # fmt: skip
    assert cells[0].settings["trainer.per_device_train_batch_size"] == 16
    # 2,490 examples in batches of 16 are 156 updates an epoch; --max-epoch 10 ends there
    assert cells[0].settings["trainer.max_steps"] == 1560
    assert "--adv-steps 3 counts the ascents, after a first pass: it is adv_steps 4" in notes
    assert "--max-epoch 10 ends the run after 1560 updates" in notes


@pytest.mark.parametrize(
    ("switch", "method", "passes"),
    [("--std-adv", "pgd", 4), ("--per-step-adv", "freeat", 3)],
)
def test_fairseqs_other_methods_are_known(tmp_path, switch, method, passes):
    row = "run_exp 0 5536 320 1e-5 2 8 2 CoLA 5e-2 3 4e-1 7456 2e-1\n"
    (space,), notes = imported(tmp_path, fairseq(row, "mcc", switch), name="cola.sh")
    assert column(planned(space).cells, "adversary.method", "adversary.adv_steps") == [
        (method, passes)
    ]
    assert "where fairseq's own README trains 5,336" in notes


def test_several_gpus_make_one_batch(tmp_path):
    row = "run_exp 0,1,3 123873 7432 1e-05 3 16 2 MNLI 1e-1 2 1e-1 8888 2e-1\n"
    (space,), notes = imported(tmp_path, fairseq(row), name="mnli.sh")
    assert column(planned(space).cells, "trainer.per_device_train_batch_size") == [(96,)]
    assert "--max-sentences 16 x --update-freq 2 x 3 GPUs" in notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(fairseq("run_exp 0 1 2\n"), "has 3 values, and its function reads 13",
                     id="short-row"),
        pytest.param(fairseq("run_exp $g 1\n"), "has a variable; write the row out", id="variable"),
        pytest.param(fairseq(""), "no row calls run_exp", id="no-row"),
        pytest.param("echo hello\n", "neither a ManyTasks file nor a launch script", id="other"),
        pytest.param(
            fairseq(f"run_exp 0 {LAUNCHED['rte']}\n", extra="--yopo-steps 3"),
            "YOPO, which is no adversary here", id="yopo"),
        pytest.param(fairseq(f"run_exp 0 {LAUNCHED['rte'].replace('RTE', 'IMDB')}\n"),
                     "unknown name 'imdb'", id="task"),
        pytest.param(fairseq("#run_exp 0 1562 122 1e-5 2 2 8 RTE 0 0 0 4207 0\n"),
                     "--commented reads the rows that are commented out", id="only-comments"),
    ],
)  # fmt: skip
def test_a_script_that_cannot_be_imported_is_said(tmp_path, text, message):
    assert message in refused(tmp_path, text, name="launch.sh")


def run_import(*words):
    command = [sys.executable, "-m", "freelb_tune.cli", "import", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_writes_the_space_and_tells_the_notes(tmp_path):
    (tmp_path / "search.json").write_text(json.dumps(PARAGEN), "utf-8")
    out = tmp_path / "space.yaml"
    done = run_import(tmp_path / "search.json", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert f"{out}: 8 runs" in done.stderr
    assert "always projects" in done.stderr
    again = run_import(tmp_path / "search.json", "--out", out)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    shown = run_import(tmp_path / "search.json")
    assert shown.stdout == out.read_text("utf-8")


def test_several_spaces_ask_for_a_folder(tmp_path):
    rows = (f"run_exp 0 {LAUNCHED['rte']}\n", f"run_exp 0 {LAUNCHED['qqp']}\n")
    (tmp_path / "both.sh").write_text(fairseq("".join(rows)), "utf-8")
    done = run_import(tmp_path / "both.sh")
    assert done.returncode == 2
    assert "need 2 spaces" in done.stderr
    assert "both_rte, both_qqp" in done.stderr
    done = run_import(tmp_path / "both.sh", "--out", tmp_path / "spaces")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "spaces").iterdir()) == [
        "both_qqp.yaml", "both_rte.yaml",
    ]  # fmt: skip
