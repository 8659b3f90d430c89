"""Expressions of configuration files, without executing them."""

import ast
import os

import pytest

from bascule.migration.evaluate import CannotEvaluate, Dotted, Evaluator

PROCESSORS = os.cpu_count() or 1


def evaluator(**environment: str) -> Evaluator:
    found = Evaluator(environment, "/srv/site/gunicorn.conf.py")
    for module in ("os", "multiprocessing", "math"):
        found.names[module] = Dotted(module)
    found.names |= {
        "cpu_count": Dotted("multiprocessing.cpu_count"),
        "Path": Dotted("pathlib.Path"),
    }
    return found


def value(text: str, **environment: str) -> object:
    return evaluator(**environment).evaluate(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("multiprocessing.cpu_count() * 2 + 1", PROCESSORS * 2 + 1),
        ("min(cpu_count() * 2 + 1, 4)", min(PROCESSORS * 2 + 1, 4)),
        ("len(os.sched_getaffinity(0))", PROCESSORS),
        ("int(os.environ.get('WORKERS', '3'))", 3),
        ("os.getenv('A') or 'b'", "b"),
        ("os.getenv('A', default='b')", "b"),
        ("'0.0.0.0:' + os.environ.get('PORT', '80')", "0.0.0.0:80"),
        ("f\"0.0.0.0:{os.environ.get('PORT', 80)}\"", "0.0.0.0:80"),
        ("'127.0.0.1:{}'.format(8000)", "127.0.0.1:8000"),
        ("'%s:%d' % ('127.0.0.1', 8000)", "127.0.0.1:8000"),
        ("os.path.join(os.path.dirname(__file__), 'x.sock')", "/srv/site/x.sock"),
        ("str(Path(__file__).resolve().parent / 'log')", "/srv/site/log"),
        ("Path(__file__).parent", "/srv/site"),
        ("[1, 2][0]", 1),
        ("'a,b'.split(',')[-1]", "b"),
        ("4 if os.environ.get('PRODUCTION') else 1", 1),
        ("os.environ.get('RELOAD', 'false').lower() == 'true'", False),
        ("'X' in os.environ", False),
        ("not True or 1 < 2 < 3", True),
        ("{'a': [1, (2,)]}", {"a": [1, (2,)]}),
        ("math.ceil(2.1)", 3),
    ],
)
def test_values(text: str, expected: object) -> None:
    assert value(text) == expected


def test_known_variables_are_stronger_than_defaults() -> None:
    assert value("int(os.environ['N']) + int(os.environ.get('M', 1))", N="2", M="3") == 5
    assert value("'N' in os.environ", N="") is True


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("os.environ['WORKERS']", "WORKERS is not set here"),
        ("int(os.environ.get('WORKERS'))", "WORKERS is not set here"),
        ("number_of_workers()", "number_of_workers() is code"),
        ("workers", "workers is not known here"),
        ("os.getpid()", "os.getpid() is code"),
        ("__import__('os').system('true')", "__import__() is code"),
        ("().__class__", ".__class__ is code"),
        ("open('/etc/passwd').read()", "open() is code"),
        ("os", "it is an object of the program"),
        ("lambda: 1", "it is code"),
        ("[x for x in (1,)]", "it is code"),
        ("1 / 0", "division by zero"),
        ("2 ** 9999999999", "too large"),
        ("'x' * 999999999999", "too large"),
        ("('x' * 90000) * 90000", "too large"),
        ("'%999999999d' % 1", "too large"),
        ("'{:>999999999}'.format(1)", ".format() is code"),
        ("'{0.__class__}'.format(os)", "it is code"),
        ("9 ** 64 ** 2", "too large"),
    ],
)
def test_everything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(CannotEvaluate) as caught:
        value(text)
    assert reason in str(caught.value)


def test_assumptions_are_noted() -> None:
    found = evaluator()
    found.evaluate(ast.parse("cpu_count() + int(os.getenv('N', 1))", mode="eval").body)
    assert found.assumed[1] == "N is not set here, so its default"
    assert "on this machine" in found.assumed[0]
    assert found.variables == ["N"]
