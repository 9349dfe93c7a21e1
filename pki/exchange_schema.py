"""The published JSON Schemas of what agencies exchange, and holding values against them.

One file says what a package is, to us and to everybody else. What of JSON Schema (draft 2020-12) is understood is
what those files use; `SchemaCheck` refuses a schema with anything else, so that nothing is overlooked.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from .errors import Malformed

PACKAGE: Final = "urn:ecitizen:exchange-package:1"
CREDENTIAL: Final = "urn:ecitizen:exchange-credential:1"
_FILES: Final = MappingProxyType({PACKAGE: "exchange-package-1.json", CREDENTIAL: "exchange-credential-1.json"})
_NOTES: Final = frozenset({"$schema", "$id", "$defs", "title", "description"})
_DEFS: Final = "#/$defs/"


def schema_text(name: str) -> str:
    """The JSON Schema of `PACKAGE` or `CREDENTIAL`, as it is published."""
    return (resources.files(__package__) / "exchange_data" / _FILES[name]).read_text(encoding="utf-8")


def check_schema(value: Any, name: str) -> None:
    """Hold a value of JSON against a published schema; raise Malformed that names the place and the rule."""
    _schema(name).check(value)


@cache  # two
def _schema(name: str) -> "SchemaCheck":
    return SchemaCheck(json.loads(schema_text(name)))


class SchemaCheck:
    """A schema, taken apart once; raise ValueError for one with rules that are not known here."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        for part in (schema, *self._definitions.values()):
            _check_rules(part)

    def check(self, value: Any) -> None:
        """Raise Malformed for a value that the schema does not allow."""
        place = next(self._wrong(value, self._schema, "the document"), None)
        if place is not None:
            raise Malformed(f"{place}: not as the published schema has it")

    def _wrong(self, value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
        """Where the value breaks a rule, and which."""
        for rule, wanted in schema.items():
            if rule == "$ref":
                yield from self._wrong(value, self._definitions[wanted.removeprefix(_DEFS)], place)
            elif rule in _RULES and not _RULES[rule](value, wanted):
                yield f"{place} ({rule})"
        if isinstance(value, dict):
            yield from self._wrong_members(value, schema, place)

    def _wrong_members(self, value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
        named: Mapping[str, Any] = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        for number, (name, each) in enumerate(value.items()):
            # A name that the schema does not have is not quoted: it may be personal.
            where = f"{place}/{name}" if name in named else f"{place}, member {number + 1}"
            if "propertyNames" in schema:
                yield from self._wrong(name, schema["propertyNames"], where)
            if name in named:
                yield from self._wrong(each, named[name], where)
            elif others is False:
                yield f"{where} (additionalProperties)"
            elif isinstance(others, dict):
                yield from self._wrong(each, others, where)


def _is(value: Any, kind: str) -> bool:
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    return isinstance(value, {"object": dict, "string": str, "integer": int}[kind])


def _matches(value: Any, pattern: str) -> bool:
    return not isinstance(value, str) or re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value) is not None


_RULES: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        "type": _is,
        "const": lambda value, wanted: type(value) is type(wanted) and value == wanted,
        "enum": lambda value, wanted: isinstance(value, str) and value in wanted,
        "pattern": _matches,
        "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
        "maxLength": lambda value, most: not isinstance(value, str) or len(value) <= most,
        "required": lambda value, names: not isinstance(value, dict) or value.keys() >= set(names),
        "minProperties": lambda value, least: not isinstance(value, dict) or len(value) >= least,
        "maxProperties": lambda value, most: not isinstance(value, dict) or len(value) <= most,
    }
)
_INNER: Final = frozenset({"$ref", "properties", "propertyNames", "additionalProperties"})


def _check_rules(schema: Any) -> None:
    """Make sure that every rule of a schema is one that is followed here."""
    if not isinstance(schema, dict):
        return
    unknown = schema.keys() - _RULES.keys() - _INNER - _NOTES
    pattern = schema.get("pattern", "^$")
    if unknown or not (pattern.startswith("^") and pattern.endswith("$")):
        raise ValueError(f"a schema has rules that are not known here: {', '.join(sorted(unknown))}")
    for part in (
        *schema.get("properties", {}).values(),
        schema.get("propertyNames"),
        schema.get("additionalProperties"),
    ):
        _check_rules(part)
