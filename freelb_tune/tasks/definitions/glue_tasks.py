"""GLUE's nine tasks.

Room: tasks. Their folders' layout is in `glue_folder.py`.
"""

from collections.abc import Mapping

from freelb_tune.tasks.definitions.metrics import ACCURACY, F1, MATTHEWS, PEARSON, SPEARMAN, Metric
from freelb_tune.tasks.definitions.task import Glue, Task

__all__ = ["GLUE"]

_SENTENCES = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")


def _glue(
    name: str,
    columns: tuple[str, ...],
    labels: tuple[str, ...] | None,
    sizes: tuple[int, int],
    glue: Glue,
    metrics: tuple[Metric, ...] = (ACCURACY,),
    dev_sets: Mapping[str, str] | None = None,
) -> Task:
    return Task(
        name=name,
        title=glue.folder,
        columns=columns,
        labels=labels,
        kind="classification" if labels else "regression",
        metrics=metrics,
        dev_sets=dev_sets or {"dev": "validation"},
        sizes=sizes,
        glue=glue,
    )


GLUE: tuple[Task, ...] = (
    _glue(
        "cola",
        ("sentence",),
        ("unacceptable", "acceptable"),
        (8_551, 1_043),
        Glue("CoLA", ("matthews",)),
        (MATTHEWS, ACCURACY),
    ),
    _glue(
        "sst2",
        ("sentence",),
        ("negative", "positive"),
        (67_349, 872),
        Glue("SST-2", advglue={"advglue": "sst2"}),
    ),
    _glue(
        "mrpc",
        _SENTENCES,
        ("not_equivalent", "equivalent"),
        (3_668, 408),
        Glue("MRPC", ("f1", "accuracy")),
        (ACCURACY, F1),
    ),
    _glue(
        "stsb",
        _SENTENCES,
        None,
        (5_749, 1_500),
        Glue("STS-B", ("pearson", "spearman")),
        (PEARSON, SPEARMAN),
    ),
    _glue(
        "qqp",
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        (363_846, 40_430),
        Glue("QQP", ("f1", "accuracy"), advglue={"advglue": "qqp"}),
        (ACCURACY, F1),
    ),
    _glue(
        "mnli",
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        (392_702, 9_815),
        Glue(
            "MNLI",
            ("accuracy", "mismatched.accuracy"),
            marks={"dev": "m", "mismatched": "mm"},
            diagnostic="AX",
            advglue={"advglue": "mnli", "advglue_mismatched": "mnli-mm"},
        ),
        dev_sets={"dev": "validation_matched", "mismatched": "validation_mismatched"},
    ),
    _glue(
        "qnli",
        ("question", "sentence"),
        _ENTAILMENT,
        (104_743, 5_463),
        Glue("QNLI", advglue={"advglue": "qnli"}),
    ),
    _glue("rte", _SENTENCES, _ENTAILMENT, (2_490, 277), Glue("RTE", advglue={"advglue": "rte"})),
    _glue(
        "wnli",
        _SENTENCES,
        ("not_entailment", "entailment"),
        (635, 71),
        Glue("WNLI", is_omitted=True),
    ),
)
"""GLUE's nine, in the order of its own table."""
