"""Mutants of a module: its constants changed one at a time."""

import ast
import string
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """The module's source with one constant changed."""

    line: int
    old: str
    new: str
    source: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.old} -> {self.new}"


def mutants(source: str) -> Iterator[Mutant]:
    """A mutant for each number, bytes, text and truth value that the module works with.

    Left alone are docstrings and the remarks behind constants, types, and messages of errors: they are for people.
    """
    tree = ast.parse(source)
    for number, node in enumerate(_constants(tree)):
        copy = deepcopy(tree)
        target = _constants(copy)[number]
        target.value = changed(node.value)
        yield Mutant(node.lineno, shown(node.value), shown(target.value), ast.unparse(copy))


def shown(value: object) -> str:
    """A constant as people write it here: numbers above 9 in hex."""
    return f"0x{value:02X}" if type(value) is int and value > 9 else repr(value)


def changed(value: object) -> bytes | str | int:
    """Another value of the same type that can stand in the same place."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case bytes():
            return bytes((value[0] ^ 0x01,)) + value[1:] if value else b"\x01"
        case str():
            at = max((at for at, character in enumerate(value) if character.isalnum()), default=0)
            return value[:at] + _next(value[at]) + value[at + 1 :] if value else "x"
    raise TypeError(f"no mutant of {value!r}")


def _next(character: str) -> str:
    """The next digit for a digit and the next letter for a letter, so that hex stays hex and a name a name."""
    for ring in (string.digits, "abcdef", "ABCDEF"):
        if character in ring:
            return ring[(ring.index(character) + 1) % len(ring)]
    return "x" if character != "x" else "y"


def _constants(tree: ast.Module) -> list[ast.Constant]:
    skipped = {id(inner) for node in ast.walk(tree) for part in _for_people(node) for inner in ast.walk(part)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in skipped]
    kept = [node for node in found if isinstance(node.value, bool | int | bytes | str)]
    return sorted(kept, key=lambda node: (node.lineno, node.col_offset))


def _for_people(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of a node whose constants mean nothing to a card."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Raise():
            yield node
        case ast.AnnAssign():
            yield node.annotation
        case ast.arg() if node.annotation:
            yield node.annotation
        case ast.FunctionDef() if node.returns:
            yield node.returns
        case ast.Call(func=ast.Name(id="dataclass")):
            yield node
        case ast.Call(func=ast.Name(id="TypeVar")):
            yield node
