"""The search-space file's JSON Schema, for editors that complete and check YAML.

Room: space. Made from the same fields that the reader checks.
"""

from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from freelb_tune.space.adversary_settings import ADVERSARIES
from freelb_tune.space.algorithms import (
    ALGORITHMS,
    SAMPLERS,
    AlgorithmSettings,
    GridSettings,
    RandomSettings,
)
from freelb_tune.space.checks import FIELDS
from freelb_tune.space.domains import DOMAINS
from freelb_tune.space.sections import SEARCHED, ResourcesConfig, TableConfig, VerdictConfig
from freelb_tune.space.trainer_fields import trainer_fields, trainer_type

__all__ = ["json_schema"]


def _least(domain: str) -> int:
    return 1 if domain in ("grid", "choice") else 2


DOMAIN = {
    "oneOf": [
        {
            "type": "object",
            "properties": {name: {"type": "array", "minItems": _least(name)}},
            "required": [name],
            "additionalProperties": False,
        }
        for name in DOMAINS
    ]
}
REFERENCE = {"type": "string", "pattern": r"^\$\{[\w.]+\}$"}


def json_schema() -> dict[str, Any]:
    """The schema, as plain values ready for JSON."""
    methods = {"type": "string", "enum": sorted(ADVERSARIES)}
    sections: dict[str, Any] = {name: _searched(kind) for name, kind in FIELDS.items()}
    sections["model"] = {"anyOf": [{"type": "string"}, sections["model"]]}
    sections["adversary"] = _object({**_adversary(), "method": _or_domain(methods)})
    trainer = {name: _or_domain(_type(trainer_type(name))) for name in trainer_fields()}
    sections["trainer"] = _object(trainer)
    whole = {"type": "array", "items": {"type": "integer", "minimum": 0}, "uniqueItems": True}
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
        "resources": ResourcesConfig.model_json_schema(),
        "table": TableConfig.model_json_schema(),
        "verdict": VerdictConfig.model_json_schema(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "freelb-tune search space",
        **_object(properties),
        "required": ["task", "model"],
        "$defs": {"domain": DOMAIN, "reference": REFERENCE},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _searched(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema()
    return _object({name: _or_domain(item) for name, item in schema["properties"].items()})


def _search(kind: type[AlgorithmSettings]) -> dict[str, Any]:
    """One algorithm's settings; a file that names none means a grid."""
    schema = kind.model_json_schema()
    if kind is RandomSettings:  # whose samplers may stand in its place
        schema["properties"]["algorithm"] = {"enum": ["random", *SAMPLERS]}
    return schema if kind is GridSettings else {**schema, "required": ["algorithm"]}


def _adversary() -> dict[str, Any]:
    """Every method's settings; one that several methods read may be what suits any of them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in ADVERSARIES.values():
        for name, schema in kind.model_json_schema()["properties"].items():
            schemas = found.setdefault(name, [])
            bare = {key: value for key, value in schema.items() if key != "default"}
            if bare not in schemas:
                schemas.append(bare)
    return {name: _or_domain(*schemas) for name, schemas in found.items()}


def _or_domain(*schemas: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*schemas, {"$ref": "#/$defs/domain"}, {"$ref": "#/$defs/reference"}]}


def _type(kind: Any) -> dict[str, Any]:
    try:
        return TypeAdapter(kind).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}
