"""Expressions of configuration files in Python, evaluated without executing them.

Arithmetic, text, lists, the number of processors, environment variables and paths are known;
everything else is `CannotEvaluate`, with the reason.
"""

import ast
import operator
import os
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

# Larger results are no settings, and computing them could take minutes.
LARGEST = 2**64
LONGEST = 100_000

# A width or a precision could make any amount of text.
WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)")
FORMATTED = re.compile(r"\{[^{}]*[:!][^{}]*\}")

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, other: one in other,
    ast.NotIn: lambda one, other: one not in other,
}
TEXT_METHODS = frozenset(
    {
        "endswith",
        "format",
        "isdigit",
        "join",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
    }
)
METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, TEXT_METHODS),
    (dict, frozenset({"get"})),
    (
        PurePosixPath,
        frozenset({"resolve", "absolute", "joinpath", "as_posix", "with_name"}),
    ),
)
PROCESSORS = frozenset(
    {
        "multiprocessing.cpu_count",
        "os.cpu_count",
        "os.process_cpu_count",
        "psutil.cpu_count",
        "joblib.cpu_count",
    }
)
BUILTINS: dict[str, Callable[..., Any]] = {
    "int": int,
    "str": str,
    "float": float,
    "bool": bool,
    "min": min,
    "max": max,
    "round": round,
    "abs": abs,
    "len": len,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "sum": sum,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.basename": os.path.basename,
    "os.path.abspath": os.path.normpath,
    "os.path.realpath": os.path.normpath,
    "os.path.normpath": os.path.normpath,
    "os.fspath": os.fspath,
    "math.floor": lambda number: int(number // 1),
    "math.ceil": lambda number: int(-(-number // 1)),
    "pathlib.Path": PurePosixPath,
    "pathlib.PurePath": PurePosixPath,
}


class CannotEvaluate(Exception):
    """An expression is not known before the server runs; the text says why."""


class Dotted(str):
    """A name of a module or of a part of one: "os.environ"."""

    __slots__ = ()


class Evaluator:
    """Evaluates the expressions of one file.

    names: the variables of the file.
    used: names that an expression has read.
    assumed: what was assumed for the expression at hand, as ends of sentences.
    variables: the environment variables that it reads.
    """

    def __init__(self, environment: Mapping[str, str], file: str = "") -> None:
        self.environment = environment
        self.names: dict[str, Any] = {"__file__": os.path.abspath(file) if file else file}
        self.used: set[str] = set()
        self.assumed: list[str] = []
        self.variables: list[str] = []

    def evaluate(self, node: ast.expr) -> Any:
        """Return the value of an expression. Raises CannotEvaluate."""
        self.assumed, self.variables = [], []
        try:
            value = self.value(node)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            RecursionError,
        ) as error:
            missing = [name for name in self.variables if name not in self.environment]
            if missing:
                raise CannotEvaluate(f"{', '.join(missing)} is not set here") from None
            raise CannotEvaluate(f"Python would report: {error}") from None
        if isinstance(value, PurePosixPath):
            return str(value)
        if isinstance(value, Dotted) or not is_plain(value):
            raise CannotEvaluate("it is an object of the program")
        return value

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self.name(node.id)
            case ast.Attribute():
                return self.attribute(node)
            case ast.BinOp():
                return self.operation(node)
            case ast.UnaryOp() if type(node.op) in UNARY:
                return UNARY[type(node.op)](self.value(node.operand))
            case ast.BoolOp():
                return self.choice(node)
            case ast.Compare():
                return self.comparison(node)
            case ast.IfExp():
                return self.value(node.body if self.value(node.test) else node.orelse)
            case ast.List():
                return [self.value(one) for one in node.elts]
            case ast.Tuple() | ast.Set():
                return tuple(self.value(one) for one in node.elts)
            case ast.Dict():
                return {
                    self.value(key): self.value(each)
                    for key, each in zip(node.keys, node.values, strict=True)
                    if key is not None
                }
            case ast.JoinedStr():
                return "".join(self.piece(one) for one in node.values)
            case ast.Subscript():
                return self.item(node)
            case ast.Call():
                return self.call(node)
        raise CannotEvaluate("it is code")

    def name(self, name: str) -> Any:
        self.used.add(name)
        if name in self.names:
            value = self.names[name]
            if isinstance(value, CannotEvaluate):
                raise value
            return value
        raise CannotEvaluate(f"{name} is not known here")

    def attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, Dotted):
            return Dotted(f"{owner}.{node.attr}")
        if isinstance(owner, PurePosixPath) and node.attr in ("parent", "name", "parents", "stem"):
            return getattr(owner, node.attr)
        raise CannotEvaluate(f".{node.attr} is code")

    def operation(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, PurePosixPath) and isinstance(node.op, ast.Div):
            return left / right
        if type(node.op) not in OPERATORS or isinstance(left, Dotted) or isinstance(right, Dotted):
            raise CannotEvaluate("it is code")
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if isinstance(node.op, ast.Pow) and not (numbers and abs(right) <= 64):
            raise CannotEvaluate("it is too large")
        if isinstance(node.op, ast.Mult) and not numbers and repeated(left, right) > LONGEST:
            raise CannotEvaluate("it is too large")
        if isinstance(node.op, ast.Mod) and not numbers and WIDE.search(str(left)):
            raise CannotEvaluate("it is too large")
        return bounded(OPERATORS[type(node.op)](left, right))

    def choice(self, node: ast.BoolOp) -> Any:
        value: Any = None
        for one in node.values:
            value = self.value(one)
            if bool(value) is isinstance(node.op, ast.Or):
                break
        return value

    def comparison(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for op, each in zip(node.ops, node.comparators, strict=True):
            if self.is_environment(each):
                right: Any = self.environment
                self.variables.append(str(left))
            else:
                right = self.value(each)
            if isinstance(left, Dotted) or isinstance(right, Dotted):
                raise CannotEvaluate("it is code")
            if not COMPARISONS[type(op)](left, right):
                return False
            left = right
        return True

    def is_environment(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Attribute) and self.value(node) == "os.environ"

    def piece(self, node: ast.expr) -> str:
        """A piece of an f-string."""
        if not isinstance(node, ast.FormattedValue):
            return str(self.value(node))
        if node.format_spec is not None:
            raise CannotEvaluate("it is code")
        value = self.value(node.value)
        return repr(value) if node.conversion == ord("r") else str(value)

    def item(self, node: ast.Subscript) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, Dotted):
            if owner != "os.environ":
                raise CannotEvaluate(f"{owner} is not known here")
            return self.variable(str(self.value(node.slice)), None, needed=True)
        if isinstance(node.slice, ast.Slice):
            bounds = (node.slice.lower, node.slice.upper, node.slice.step)
            return owner[slice(*(None if one is None else self.value(one) for one in bounds))]
        return owner[self.value(node.slice)]

    def call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if not isinstance(owner, Dotted):
                return self.method(owner, node)
            name: str = Dotted(f"{owner}.{node.func.attr}")
        elif isinstance(node.func, ast.Name):
            known = self.names.get(node.func.id)
            if known is None and node.func.id in BUILTINS:
                return self.builtin(node)
            self.used.add(node.func.id)
            if not isinstance(known, Dotted):
                raise CannotEvaluate(f"{node.func.id}() is code")
            name = known
        else:
            raise CannotEvaluate("it is code")
        return self.function(name, node)

    def builtin(self, node: ast.Call) -> Any:
        assert isinstance(node.func, ast.Name)
        inner = node.args[0] if len(node.args) == 1 else None
        if node.func.id == "len" and isinstance(inner, ast.Call):
            called = inner.func
            if isinstance(called, ast.Attribute) and called.attr == "sched_getaffinity":
                return self.processors()
        if node.keywords and node.func.id != "dict":
            raise CannotEvaluate(f"{node.func.id}() is code")
        arguments = [self.value(one) for one in node.args]
        if any(isinstance(one, Dotted) for one in arguments):
            raise CannotEvaluate("it is code")
        named = {one.arg: self.value(one.value) for one in node.keywords if one.arg}
        return bounded(BUILTINS[node.func.id](*arguments, **named))

    def method(self, owner: Any, node: ast.Call) -> Any:
        assert isinstance(node.func, ast.Attribute)
        name = node.func.attr
        allowed = any(isinstance(owner, kind) and name in names for kind, names in METHODS)
        if not allowed or (name == "format" and FORMATTED.search(owner)):
            raise CannotEvaluate(f".{name}() is code")
        if name in ("resolve", "absolute"):
            return owner
        arguments = [self.value(one) for one in node.args]
        named = {one.arg: self.value(one.value) for one in node.keywords if one.arg}
        if name == "format" and any(not is_plain(one) for one in (*arguments, *named.values())):
            raise CannotEvaluate("it is code")
        if name in ("replace", "join") and len(owner) * len(str(arguments)) > LONGEST:
            raise CannotEvaluate("it is too large")
        return bounded(getattr(owner, name)(*arguments, **named))

    def function(self, name: str, node: ast.Call) -> Any:
        if name in PROCESSORS:
            return self.processors()
        arguments = node.args
        if name in ("os.environ.get", "os.getenv"):
            variable = str(self.value(arguments[0]))
            rest = [*arguments[1:], *(one.value for one in node.keywords if one.arg == "default")]
            return self.variable(variable, rest[0] if rest else None)
        if name in ("decouple.config", "environs.Env", "environ.Env"):
            raise CannotEvaluate(f"{name}() reads the environment and files")
        if name in FUNCTIONS and not node.keywords:
            return bounded(FUNCTIONS[name](*(self.value(one) for one in arguments)))
        raise CannotEvaluate(f"{name}() is code")

    def variable(self, name: str, default: ast.expr | None, needed: bool = False) -> Any:
        """Return the value of an environment variable, or its default."""
        self.variables.append(name)
        if name in self.environment:
            return self.environment[name]
        if needed:
            raise CannotEvaluate(f"{name} is not set here")
        value = None if default is None else self.value(default)
        self.assumed.append(
            f"{name} is not set here"
            if value is None
            else f"{name} is not set here, so its default"
        )
        return value

    def processors(self) -> int:
        count = os.cpu_count() or 1
        note = f"{count} processor{'s' if count > 1 else ''} on this machine"
        if note not in self.assumed:
            self.assumed.append(note)
        return count


def repeated(left: Any, right: Any) -> int:
    """Return the length of a sequence times a number, in either order. Raises TypeError."""
    if isinstance(left, int):
        left, right = right, left
    return len(left) * abs(int(right))


def bounded(value: Any) -> Any:
    """Return the value, unless it is larger than any setting. Raises CannotEvaluate."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise CannotEvaluate("it is too large")
    if isinstance(value, str | list | tuple | dict) and len(value) > LONGEST:
        raise CannotEvaluate("it is too large")
    return value


def is_plain(value: Any) -> bool:
    """Whether a value is data."""
    if isinstance(value, dict):
        return all(is_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or (
        isinstance(value, str | int | float | bool) and not isinstance(value, Dotted)
    )
