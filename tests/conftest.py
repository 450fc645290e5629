"""What several test files share: tiny random encoders, batches, and where real GLUE lies."""

import os
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from remote_fixtures import caches, s3, s3_server  # noqa: F401 (fixtures)

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers of pytest-xdist share the cores
settings.register_profile("any machine", deadline=None)  # a busy one is no failure
settings.load_profile("any machine")

SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "num_labels": 2,
    "initializer_range": 0.2,  # gradients large enough to compare in float32
}

ENCODERS = {
    "bert": {},
    "roberta": {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
    "albert": {"embedding_size": 8, "num_hidden_groups": 1},
    "distilbert": {},
    "electra": {"embedding_size": 8},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "type_vocab_size": 0,
    },
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8, "pad_token_id": 0}
    | dict.fromkeys(["bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"], 1),
}


def tiny_encoder(kind, dropout=0.0, seed=0, **changes):
    """A two-layer classifier of 16 units, built from its config with fixed weights."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {**SIZES, **ENCODERS[kind], **changes}
    if kind == "distilbert":
        sizes |= {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
        rates = ["dropout", "attention_dropout", "seq_classif_dropout"]
    elif kind == "modernbert":
        rates = ["embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout"]
    else:
        rates = ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"]
    sizes |= dict.fromkeys(rates, dropout)
    if kind not in ("distilbert", "modernbert"):
        sizes["classifier_dropout"] = dropout
    config = AutoConfig.for_model(kind, **sizes)
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    return model.train()


Q_SPACE = """\
name: q
task: entailment_toy
model:
  name: config:bert
  config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}
trainer: {learning_rate: 0.001, num_train_epochs: 1}
adversary: {method: freelb, adv_steps: 2, adv_lr: {grid: [0.01, 0.03]}}
seeds: [1]
"""


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Type a command line in a folder with `q.yaml`: its exit status and its words."""
    from freelb_tune.cli.root import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.yaml").write_text(Q_SPACE)

    def run(line):
        monkeypatch.setattr("sys.argv", ["freelb-tune", *shlex.split(line)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, capsys.readouterr()

    return run


@pytest.fixture
def forgetful(tmp_path_factory):
    """What a test registers and imports is forgotten after it."""
    from freelb_tune.adversary import plugins
    from freelb_tune.search.algorithms.registry import BEHAVIOURS
    from freelb_tune.space.registered import REGISTERED
    from freelb_tune.space.settings.adversaries import ADVERSARIES, PLUGINS
    from freelb_tune.space.settings.algorithms import ALGORITHMS
    from freelb_tune.tasks.definitions.registry import DEFINITIONS, TASKS

    named = (ADVERSARIES, PLUGINS, plugins.FACTORIES, ALGORITHMS, BEHAVIOURS, TASKS, DEFINITIONS)
    before, modules = [dict(each) for each in named], set(sys.modules)
    listed = [(each, list(each)) for each in (plugins._LOADED, REGISTERED)]
    yield
    for registry, content in zip(named, before, strict=True):
        registry.clear()
        registry.update(content)
    for registry, content in listed:
        registry[:] = content
    own = str(tmp_path_factory.getbasetemp())  # what is not a test's own may stay
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(own):
            del sys.modules[name]


@pytest.fixture
def no_ray():
    """No Ray runs in this process when the test begins: it asks how Ray starts."""
    import ray

    ray.shutdown()


@pytest.fixture(scope="session")
def glue_folder():
    """The folder of real GLUE files, or a skip."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GLUE_DATA", beside))
    if not (folder / "RTE" / "train.tsv").is_file():
        pytest.skip("real GLUE files are not here; set GLUE_DATA to their folder")
    return folder
