"""The search-space file's JSON Schema, for editors that complete and check YAML.

Room: space. Made from the same fields that the reader checks; what a field means is what the
docstring of its class says.
"""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from freelb_tune.space.checking.checks import FIELDS
from freelb_tune.space.reading.track_section import TRACKERS
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.space.settings.algorithms import (
    ALGORITHMS,
    SAMPLERS,
    AlgorithmSettings,
    GridSettings,
    RandomSettings,
)
from freelb_tune.space.settings.domains import DOMAINS
from freelb_tune.space.settings.sections import (
    SEARCHED,
    ResourcesConfig,
    TableConfig,
    VerdictConfig,
)
from freelb_tune.space.settings.trainer_fields import trainer_fields, trainer_type

__all__ = ["json_schema", "meanings"]


def _least(domain: str) -> int:
    return 1 if domain in ("grid", "choice") else 2


_DOMAIN_MEANINGS = (
    "each value, crossed with the other grids",
    "one of these values, drawn",
    "a number between the two, drawn evenly",
    "a number between the two, drawn evenly by its logarithm",
    "a whole number from the first to the second, drawn evenly",
    "a whole number from the first to the second, drawn evenly by its logarithm",
)
DOMAIN = {
    "oneOf": [
        {
            "type": "object",
            "properties": {name: {"description": said, "type": "array", "minItems": _least(name)}},
            "required": [name],
            "additionalProperties": False,
        }
        for name, said in zip(DOMAINS, _DOMAIN_MEANINGS, strict=True)
    ]
}
REFERENCE = {"type": "string", "pattern": r"^\$\{[\w.]+\}$"}
_MEANINGS = {
    "name": "names the search; its results go to results/NAME",
    "task": "a GLUE task, such as rte; classification, multi_label_classification or regression "
    "with files of your own",
    "model": "what is fine-tuned: a Hub id, a folder, package:NAME/FOLDER, or config:TYPE for "
    "random weights",
    "data": "where the examples come from, and how many tokens of each text are read",
    "trainer": "fields of transformers.TrainingArguments",
    "loss": "how examples are weighted",
    "adversary": "how a batch is perturbed, or a list that is crossed with the rest",
    "run": "how a cell is computed; changes no number",
    "tie": "lists that advance together instead of spanning a product",
    "branches": "alternatives that are laid over the rest, each with keys of its own",
    "where": "conditions that a configuration must meet, such as adversary.adv_lr <= 0.1",
    "clean_arm": "whether the same settings without perturbation run beside each configuration",
    "seeds": "replicates of every configuration: a list, or how many; never a tuned value",
    "search": "which cells run, in which order, and what ends them early",
    "resources": "what a trial gets",
    "table": "what the printed table shows",
    "verdict": "what the verdict is asked beside the question whether a setting is better",
    "track": "trackers that are fed while the search runs, in results/NAME/tracking",
    "method": "which adversary; none is the clean arm",
}


def json_schema() -> dict[str, Any]:
    """The schema, as plain values ready for JSON."""
    methods = {"type": "string", "enum": sorted(ADVERSARIES)}
    sections: dict[str, Any] = {name: _searched(kind) for name, kind in FIELDS.items()}
    sections["model"] = {"anyOf": [{"type": "string"}, sections["model"]]}
    method = _meaning(_MEANINGS["method"], _or_domain(methods))
    sections["adversary"] = _object({**_adversary(), "method": method})
    trainer = {
        name: _meaning(
            f"transformers.TrainingArguments.{name}", _or_domain(_type(trainer_type(name)))
        )
        for name in trainer_fields()
    }
    sections["trainer"] = _object(trainer)
    whole = {"type": "array", "items": {"type": "integer", "minimum": 0}, "uniqueItems": True}
    tracker = {"type": "string", "enum": list(TRACKERS)}
    properties = {
        "name": {"type": "string"},
        "task": {"type": "string"},
        **{name: sections[name] for name in SEARCHED},
        "tie": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}},
        },
        "branches": {"type": "array", "items": {"type": "object"}},
        "where": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "clean_arm": {"type": "boolean"},
        "seeds": {"anyOf": [{"type": "integer", "minimum": 1}, {**whole, "minItems": 1}]},
        "search": {"anyOf": [_search(kind) for kind in ALGORITHMS.values()]},
        "resources": _schema(ResourcesConfig),
        "table": _schema(TableConfig),
        "verdict": _schema(VerdictConfig),
        "track": {"anyOf": [tracker, {"type": "array", "items": tracker, "uniqueItems": True}]},
    }
    properties = {name: _meaning(_MEANINGS[name], each) for name, each in properties.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "freelb-tune search space",
        **_object(properties),
        "required": ["task", "model"],
        "$defs": {"domain": DOMAIN, "reference": REFERENCE},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def meanings(kind: type[BaseModel]) -> dict[str, str]:
    """What each field of a settings class means, by the docstrings of it and its bases."""
    from docstring_parser import DocstringStyle, parse  # as only the schema needs it

    found = {}
    for each in reversed(kind.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel and "__doc__" in vars(each):
            for field in parse(each.__doc__ or "", DocstringStyle.GOOGLE).params:
                found[field.arg_name] = " ".join((field.description or "").split())
    return found


def _meaning(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, **schema} if text else schema


def _schema(
    kind: type[BaseModel], made: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> dict[str, Any]:
    """A class's schema with a description of each field, and none of Python's own words."""
    schema, said = kind.model_json_schema(), meanings(kind)
    fields = {n: _meaning(said.get(n, ""), made(item)) for n, item in schema["properties"].items()}
    return {**schema, "properties": fields}


def _searched(kind: type[BaseModel]) -> dict[str, Any]:
    return _object(_schema(kind, _or_domain)["properties"])


def _search(kind: type[AlgorithmSettings]) -> dict[str, Any]:
    """One algorithm's settings; a file that names none means a grid."""
    schema = _schema(kind)
    if kind is RandomSettings:  # whose samplers may stand in its place
        schema["properties"]["algorithm"] |= {"enum": ["random", *SAMPLERS]}
        del schema["properties"]["algorithm"]["const"]
    return schema if kind is GridSettings else {**schema, "required": ["algorithm"]}


def _adversary() -> dict[str, Any]:
    """Every method's settings; one that several methods read may be what suits any of them."""
    found: dict[str, list[dict[str, Any]]] = {}
    said: dict[str, dict[str, list[str]]] = {}
    for method, kind in ADVERSARIES.items():
        for name, text in meanings(kind).items():
            said.setdefault(name, {}).setdefault(text, []).append(method)
        for name, schema in kind.model_json_schema()["properties"].items():
            schemas = found.setdefault(name, [])
            bare = {key: value for key, value in schema.items() if key != "default"}
            if bare not in schemas:
                schemas.append(bare)
    return {
        name: _meaning(_of_methods(said.get(name, {})), _or_domain(*schemas))
        for name, schemas in found.items()
    }


def _of_methods(said: dict[str, list[str]]) -> str:
    """What a setting means: once where all methods mean the same, else method by method."""
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{', '.join(methods)}: {text.rstrip('.')}" for text, methods in said.items())


def _or_domain(*schemas: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*schemas, {"$ref": "#/$defs/domain"}, {"$ref": "#/$defs/reference"}]}


def _type(kind: Any) -> dict[str, Any]:
    try:
        return TypeAdapter(kind).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}
