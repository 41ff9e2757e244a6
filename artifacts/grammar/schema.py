"""The JSON Schema of the JSON form of grammars, from the tables that the codec reads.

It says what shape a document has. That names are defined and used, that phrases are not inside
themselves, and the sizes of whole grammars are for `grammar_from_json` to say.
"""

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.limits import MAX_ALTERNATIVES
from artifacts.grammar.syntax import MAX_REPEAT
from artifacts.values import Json

_NAME = "^[a-z][a-z0-9_]{0,31}$"


def grammar_schema() -> dict[str, Json]:
    """Return the schema, in JSON Schema 2020-12."""
    name: Json = {"type": "string", "pattern": _NAME}
    text: Json = {"type": "string", "minLength": 1}
    node, restricted = _ref("node"), _ref("restricted")
    texts: Json = {
        "type": "array",
        "items": text,
        "minItems": 1,
        "maxItems": MAX_ALTERNATIVES,
        "uniqueItems": True,
    }
    nodes: dict[str, Json] = {"type": "array", "items": node, "maxItems": MAX_ALTERNATIVES}
    low: Json = {"type": "integer", "minimum": 0, "maximum": MAX_REPEAT}
    high: Json = {"type": "integer", "minimum": 1, "maximum": MAX_REPEAT}
    number: Json = {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$"}
    kinds: Json = {"enum": sorted(KINDS.keys() - {"enumeration"})}
    option = _object({"part": node, "value": _ref("value")}, optional=("value",))
    options: Json = {
        "type": "array",
        "items": option,
        "minItems": 1,
        "maxItems": MAX_ALTERNATIVES,
    }
    definitions: Json = {
        "type": "object",
        "propertyNames": name,
        "additionalProperties": options,
        "minProperties": 1,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Grammar",
        "oneOf": [restricted, _object({"phrases": definitions, "grammar": restricted})],
        "$defs": {
            "restricted": {
                "oneOf": [
                    node,
                    _object({"of": restricted, "except": restricted}),
                    _object({"of": restricted, "only": restricted}),
                ]
            },
            "node": {
                "oneOf": [
                    _object({"literal": {"type": "string"}}),
                    _object({"slot": name, "kind": kinds, "without": texts}, optional=("without",)),
                    _object({"slot": name, "values": texts}),
                    _object({"slot": name, "phrase": name}),
                    _object({"sequence": nodes}),
                    _object({"alternatives": nodes | {"minItems": 1}}),
                    _object({"repeat": node, "low": low, "high": high}),
                ]
            },
            "value": {"oneOf": [{"type": "string"}, _object({"number": number})]},
        },
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _object(fields: dict[str, Json], optional: tuple[str, ...] = ()) -> Json:
    return {
        "type": "object",
        "properties": fields,
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }
