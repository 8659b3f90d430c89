"""Configuration files in Python: gunicorn.conf.py, and those of Hypercorn.

The file is parsed, not executed. An assignment whose value is not known, or that a condition or a
loop decides, is reported with the reason. With `--execute`, a Python of its own runs the file.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bascule.errors import UsageError
from bascule.migration.evaluate import CannotEvaluate, Dotted, Evaluator
from bascule.migration.shapes import UNKNOWN, Found, Reading, Remark, Table

MOST_SHOWN = 60
EXECUTION = 30.0
HOOK = "it is a function"

# Prints the settings of a file as JSON, on a descriptor that the file does not print to.
PROGRAM = """
import json, os, runpy, sys
out = os.dup(1)
os.dup2(2, 1)
names = runpy.run_path(sys.argv[1], run_name="__config__")
def plain(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(plain, value))
    return value is None or isinstance(value, (str, int, float, bool))
shown = {}
for name, value in names.items():
    if not name.startswith("__"):
        shown[name] = ["value", value] if plain(value) else ["object", callable(value)]
with os.fdopen(out, "w") as file:
    json.dump(shown, file)
"""


def shortened(text: str) -> str:
    """Return the first line of a text, and at most as much as a comment has room for."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 1]}…"


class PythonFile:
    """Reads one file into a `Reading`."""

    def __init__(self, table: Table, name: str, text: str, environment: Mapping[str, str]) -> None:
        self.table = table
        self.settings = table.by_name()
        self.name = name
        self.text = text
        self.evaluator = Evaluator(environment, name)
        self.reading = Reading()
        # Assigned names that are no settings, with the line.
        self.helpers: dict[str, tuple[int, str]] = {}

    def read(self) -> Reading:
        """Return what the file says. Raises UsageError for a file that is not Python."""
        try:
            tree = ast.parse(self.text, self.name)
        except SyntaxError as error:
            raise UsageError(f"{self.name} line {error.lineno}: {error.msg}") from None
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}") from None
        self.body(tree.body, "")
        for name, (line, text) in self.helpers.items():
            if name not in self.evaluator.used:
                self.remark(
                    line, text, f"{name} is no setting of {self.table.title}, which ignores it."
                )
        return self.reading

    def body(self, statements: list[ast.stmt], condition: str) -> None:
        """Read statements; `condition` says what decides whether they run, if that is unknown."""
        for statement in statements:
            self.statement(statement, condition)

    def statement(self, node: ast.stmt, condition: str) -> None:
        match node:
            case ast.Import():
                for one in node.names:
                    bound = one.asname or one.name.partition(".")[0]
                    self.evaluator.names[bound] = Dotted(one.name if one.asname else bound)
            case ast.ImportFrom():
                for one in node.names:
                    self.evaluator.names[one.asname or one.name] = Dotted(
                        f"{node.module}.{one.name}"
                    )
                    if one.name == "*":
                        self.remark(
                            node.lineno,
                            ast.unparse(node),
                            "Settings of that module are not read; migrate its file, too.",
                        )
            case ast.Assign():
                for target in node.targets:
                    self.assign(target, node.value, node, condition)
            case ast.AnnAssign():
                if node.value is not None:
                    self.assign(node.target, node.value, node, condition)
                elif isinstance(node.target, ast.Name) and node.target.id in self.settings:
                    self.remark(
                        node.lineno,
                        ast.unparse(node),
                        f"This is an annotation without a value, so {self.table.title} ignores "
                        f"it. "
                        f"If = was meant, write {node.target.id} = …",
                    )
            case ast.AugAssign():
                whole = ast.BinOp(load(node.target), node.op, node.value)
                self.assign(node.target, whole, node, condition)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.definition(node)
            case ast.If():
                self.branch(node, condition)
            case ast.Try():
                self.body(node.body, condition)
                for handler in node.handlers:
                    self.unsure(handler.body, "an exception happens")
                self.body(node.orelse, condition)
                self.body(node.finalbody, condition)
            case ast.For() | ast.While() | ast.With():
                self.unsure(node.body, "a loop or a block of the program runs")
                self.not_executed(node)
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Assert() | ast.Global():
                pass
            case _:
                self.not_executed(node)

    def assign(self, target: ast.expr, value: ast.expr, node: ast.stmt, condition: str) -> None:
        text = ast.unparse(node)
        if (
            isinstance(target, ast.Tuple)
            and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)
        ):
            for one, each in zip(target.elts, value.elts, strict=True):
                self.assign(one, each, node, condition)
            return
        if not isinstance(target, ast.Name):
            self.remark(node.lineno, text, "This is code, which is not executed.")
            return
        why: tuple[str, ...] = ()
        try:
            result = self.evaluator.evaluate(value)
            known = True
        except CannotEvaluate as error:
            result, known, why = error, False, (str(error),)
        if condition:
            result, known = CannotEvaluate(condition), False
            why = (condition,)
        self.evaluator.names[target.id] = result
        if target.id not in self.settings:
            self.helpers[target.id] = (node.lineno, text)
            return
        self.found(
            target.id,
            result if known else UNKNOWN,
            node.lineno,
            text,
            why if why else tuple(self.evaluator.assumed),
            tuple(self.evaluator.variables),
        )

    def branch(self, node: ast.If, condition: str) -> None:
        try:
            holds = self.evaluator.evaluate(node.test)
        except CannotEvaluate:
            test = shortened(ast.unparse(node.test))
            self.unsure(node.body, f"it depends on: {test}")
            self.unsure(node.orelse, f"it depends on: not ({test})")
            return
        if self.evaluator.variables:
            self.remark(
                node.lineno,
                f"if {ast.unparse(node.test)}:",
                f"Here this is {'true' if holds else 'false'}; "
                f"{', '.join(self.evaluator.variables)} decides it where the server runs.",
            )
        self.body(node.body if holds else node.orelse, condition)

    def unsure(self, statements: list[ast.stmt], condition: str) -> None:
        """Read statements of which it is not known whether they run."""
        self.body(statements, condition)

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.evaluator.names[node.name] = CannotEvaluate(f"{node.name} is code")
        if node.name in self.settings:
            self.found(node.name, HOOK, node.lineno, f"def {node.name}(…)", (), ())
        else:
            self.helpers[node.name] = (node.lineno, f"def {node.name}(…)")
        # A name that a hook uses is moved together with it.
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                self.evaluator.used.add(inner.id)

    def not_executed(self, node: ast.stmt) -> None:
        self.remark(node.lineno, ast.unparse(node), "This is code, which is not executed.")

    def found(
        self,
        name: str,
        value: object,
        line: int,
        text: str,
        why: tuple[str, ...],
        variables: tuple[str, ...],
    ) -> None:
        found = Found(
            name,
            value,
            f"{self.name} line {line}",
            shortened(text),
            why,
            tuple(dict.fromkeys(variables)),
        )
        # A later assignment replaces an earlier one, as in Python.
        kept = [one for one in self.reading.found if one[1].name != name]
        if len(kept) < len(self.reading.found) and value is not UNKNOWN:
            self.reading.found[:] = kept
        self.reading.found.append((self.table.name, found))

    def remark(self, line: int, text: str, says: str) -> None:
        self.reading.remarks.append(Remark(f"{self.name} line {line}", shortened(text), says))


def load(node: ast.expr) -> ast.expr:
    """Return the expression that reads what an assignment writes."""
    return ast.Name(node.id, ast.Load()) if isinstance(node, ast.Name) else node


def execute(table: Table, name: str) -> Reading:
    """Run a file in a Python of its own, and return its settings. Raises UsageError."""
    path = Path(name).absolute()
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, path.name],
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=EXECUTION,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{name} did not end within {EXECUTION:g} s") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise UsageError(f"{name} failed when it was executed: {last}")
    settings = table.by_name()
    reading = Reading()
    for key, (kind, value) in json.loads(done.stdout).items():
        if key not in settings:
            continue
        if kind == "value":
            found = Found(key, value, name, shortened(f"{key} = {value!r}"))
        elif value:
            found = Found(key, HOOK, name, f"def {key}(…)")
        else:
            found = Found(key, UNKNOWN, name, key, ("it is an object of the program",))
        reading.found.append((table.name, found))
    return reading
