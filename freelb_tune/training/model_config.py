"""What `model.config` may change of pretrained weights' own config.

Room: training. The driver asks before a search; transformers' model classes, which take seconds
to import, are loaded only where there is something to check.
"""

import copy
from typing import Any

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.training.source import ModelSource

__all__ = ["check_config"]

_TASKS = ("num_labels", "id2label", "label2id", "problem_type", "model_type", "architectures")


def check_config(source: ModelSource) -> None:
    """Refuse what `model.config` may not lay over the config of pretrained weights.

    Raises:
        FreeLBTuneError: a field that the model's config does not have, that the task settles, or
            that asks for other weights than the files hold.
    """
    if source.folder is None or not source.config:
        return
    from transformers import AutoConfig

    trust = source.trust_remote_code
    own = AutoConfig.from_pretrained(source.folder, local_files_only=True, trust_remote_code=trust)
    for name in source.config:
        if name in _TASKS:
            raise FreeLBTuneError(f"model.config.{name}: is settled by the task; take it out")
        if name not in own.to_dict():
            raise FreeLBTuneError(f"model.config: {unknown_name(name, own.to_dict())}")
    changed = copy.deepcopy(own)
    try:
        for name, value in source.config.items():
            setattr(changed, name, value)
        same = _shapes(own, trust) == _shapes(changed, trust)
    except (ValueError, TypeError, KeyError, RuntimeError) as err:
        raise FreeLBTuneError(f"model.config: {err}") from err
    if not same:
        raise FreeLBTuneError(
            f"model.config: {', '.join(sorted(source.config))} would change the shape of weights "
            f"that {source.name!r} comes with; only fields such as hidden_dropout_prob may differ"
        )


def _shapes(config: Any, trust: bool) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification

    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=trust)
    return {name: weight.shape for name, weight in model.state_dict().items()}
