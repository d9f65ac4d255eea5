"""The rules of style that a machine can judge: one pass over the tree, one small test a rule.

Each test names the reason for its rule and prints every place that breaks it. The limits are ceilings, not
aims: the median function has fewer than ten lines.
"""

import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "streams", "storage", "runtime", "api", "workers", "cli", "client")
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400
LINE_LENGTH_MAX = 110
FILE_BYTES_MAX = 200_000
SCRIPT_LINES_MAX = 20
LONG_LINES = (".md", ".lock", ".json", ".svg", ".html", ".sha256", ".yaml", ".yml", ".csv", ".toml")
GOLDEN = re.compile(r"/golden(_[a-z]+)?/")
LARGE = re.compile(r"requirements.*\.lock$|^openapi/|(^|/)golden/")
CODE = (".py", ".sql", ".cql", ".lua", ".sh", ".js", ".css")
NO_CLOCK = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
    "uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4",
}  # fmt: skip
STATEMENT = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\S+\s+(USING|SET)\s|DELETE\s.*FROM\s"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|KEYSPACE|INDEX|TYPE)\s|PRAGMA\s|BEGIN\s+(IMMEDIATE|BATCH|UNLOGGED))"
    r"|redis\.call\(",
    re.DOTALL,
)
FRAGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")
LOGS = {"debug", "info", "warning", "error", "exception", "critical"}
# Joined here, so that this file does not hold what it looks for.
LEFTOVER = re.compile(r"\b(" + "|".join(("FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK")) + r")\b")
REGISTRIES = ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org", "repo1" + ".maven.org",
              "repo.maven" + ".apache.org", "static.crates" + ".io", "proxy.golang" + ".org")  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One text file of the tree, and its syntax where it is Python."""

    path: str
    text: str
    tree: ast.Module | None

    @property
    def package(self) -> str:
        """The top-level folder."""
        return self.path.split("/", 1)[0]

    @property
    def stem(self) -> str:
        """The file's name without folder."""
        return self.path.rsplit("/", 1)[-1]


@cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or could be."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    return tuple(ROOT / name for name in sorted(set(names.split("\0"))) if name and (ROOT / name).is_file())


@cache
def sources() -> tuple[Source, ...]:
    """Every text file, read and parsed once."""
    found = []
    for file in files():
        octets = file.read_bytes()
        if b"\0" in octets[:8192]:
            continue
        text = octets.decode("utf-8", errors="replace")
        tree = ast.parse(text) if file.suffix == ".py" else None
        found.append(Source(file.relative_to(ROOT).as_posix(), text, tree))
    return tuple(found)


def python(*packages: str) -> Iterator[tuple[Source, ast.Module]]:
    """Every Python file, of these top-level folders only where any is named."""
    for source in sources():
        if source.tree is not None and (not packages or source.package in packages):
            yield source, source.tree


type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, type_of_function):
            yield node


def dotted(node: ast.expr) -> str:
    """The last two names of a call: `datetime.now` out of `datetime.datetime.now`."""
    if isinstance(node, ast.Attribute):
        inner = node.value
        owner = inner.attr if isinstance(inner, ast.Attribute) else getattr(inner, "id", "")
        return f"{owner}.{node.attr}"
    return getattr(node, "id", "")


def strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string that is not a docstring."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, *type_of_function))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


def nothing(places: Iterable[str]) -> None:
    """Fail with every place that breaks the rule, one a line."""
    found = list(places)
    if found:
        pytest.fail("\n" + "\n".join(found), pytrace=False)


def test_a_function_fits_on_a_screen() -> None:
    """A function of more than 70 lines cannot be seen at once: split it by meaning."""
    nothing(
        f"{source.path}:{function.lineno} {function.name}: {lines} lines"
        for source, tree in python()
        for function in functions(tree)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    )


def test_a_module_has_one_subject() -> None:
    """A module of more than 400 lines has two subjects; tests, which are tables, may be longer."""
    nothing(
        f"{source.path}: {lines} lines"
        for source, _ in python()
        if source.package != "tests" and (lines := source.text.count("\n")) > MODULE_LINES_MAX
    )


def test_a_line_can_be_read_beside_another() -> None:
    """110 characters let two files stand side by side, comments and statements included."""
    nothing(
        f"{source.path}:{number}: {len(line)} characters"
        for source in sources()
        if not source.path.endswith(LONG_LINES) and not GOLDEN.search(source.path)
        for number, line in enumerate(source.text.splitlines(), 1)
        if len(line) > LINE_LENGTH_MAX and source.stem != "LICENSE"
    )


def test_a_module_says_what_it_is() -> None:
    """The first thing in a file says what it is for and what may live in it."""
    nothing(source.path for source, tree in python() if not ast.get_docstring(tree))


def test_a_public_function_has_a_docstring_and_a_return_type() -> None:
    """What others call is documented and typed; a method that fulfils its port has the port's docstring."""
    nothing(
        f"{source.path}:{function.lineno} {function.name}: no {lacking}"
        for source, tree in python(*PACKAGES)
        for function, inherits in _public_functions(tree)
        for lacking in _lacking(function, inherits=inherits)
    )


def _public_functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Functions and methods without an underscore in any name, and whether their class has a base."""
    for node in tree.body:
        if isinstance(node, type_of_function) and not node.name.startswith("_"):
            yield node, False
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for member in node.body:
                if isinstance(member, type_of_function) and not member.name.startswith("_"):
                    yield member, bool(node.bases)


def _lacking(function: ast.FunctionDef | ast.AsyncFunctionDef, *, inherits: bool) -> Iterator[str]:
    decorators = {dotted(decorator) for decorator in function.decorator_list}
    if function.returns is None:
        yield "return type"
    if (
        not inherits
        and not ast.get_docstring(function)
        and not any(name.endswith("overload") for name in decorators)
    ):
        yield "docstring"


def test_a_test_is_a_sentence() -> None:
    """A test's docstring states the behaviour that it proves, so that the list of tests reads as a manual."""
    nothing(
        f"{source.path}:{function.lineno} {function.name}"
        for source, tree in python("tests")
        for function in functions(tree)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    )


def test_nothing_is_left_over() -> None:
    """A note to oneself belongs into the issue tracker, where somebody finds it."""
    nothing(
        f"{source.path}:{number}: {line.strip()}"
        for source in sources()
        if source.path.endswith((*CODE, ".md", ".toml", ".yaml"))
        for number, line in enumerate(source.text.splitlines(), 1)
        if LEFTOVER.search(line)
    )


def test_only_the_command_prints() -> None:
    """A service logs; only the command, and what developers run by hand, speaks to a terminal."""
    nothing(
        f"{source.path}:{node.lineno}"
        for source, tree in python(*PACKAGES)
        if source.package != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func) == "print"
    )


def test_only_the_runtime_reads_a_clock() -> None:
    """Time is an argument below `runtime`: a test can then be any moment, and no two readings disagree."""
    nothing(
        f"{source.path}:{node.lineno}: {dotted(node.func)}"
        for source, tree in python(*PACKAGES)
        if source.package != "runtime"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func) in NO_CLOCK
    )


def test_a_caught_exception_is_raised_or_logged() -> None:
    """`except Exception` that does neither hides the defect that somebody will look for at night."""
    nothing(
        f"{source.path}:{node.lineno}"
        for source, tree in python(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and not _speaks(node)
    )


def _catches_all(kind: ast.expr | None) -> bool:
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(name is None or dotted(name) in {"Exception", "BaseException"} for name in names)


def _speaks(handler: ast.ExceptHandler) -> bool:
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGS:
            return True
        if handler.name and isinstance(node, ast.Name) and node.id == handler.name:
            return True  # handed on, to a future for example
    return False


def test_statements_live_in_files() -> None:
    """CQL, SQL and Lua stand in `.cql`, `.sql` and `.lua` files, where they can be read, named and linted."""
    nothing(
        f"{source.path}:{node.lineno}: {str(node.value).strip()[:60]}"
        for source, tree in python(*PACKAGES)
        for node in strings(tree)
        if STATEMENT.search(str(node.value))
    )


def test_a_port_promises_types() -> None:
    """`Any` in a port is a promise about nothing."""
    nothing(
        f"{source.path}:{node.lineno}"
        for source, tree in python(*PACKAGES)
        if source.stem in {"port.py", "ports.py"}
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and dotted(node).split(".")[-1] == "Any"
    )


def test_a_module_is_named_after_its_subject() -> None:
    """`utils`, `helpers` and `common` say nothing, so everything ends up in them."""
    named = {"utils", "util", "helpers", "helper", "common", "misc"}
    nothing(source.path for source, _ in python() if set(source.path.removesuffix(".py").split("/")) & named)


def test_a_committed_file_is_small() -> None:
    """Nothing above 200 kB is committed, except locks, generated OpenAPI and golden files."""
    nothing(
        f"{file.relative_to(ROOT)}: {file.stat().st_size} bytes"
        for file in files()
        if file.stat().st_size > FILE_BYTES_MAX and not LARGE.search(file.relative_to(ROOT).as_posix())
    )


def test_a_public_name_of_schemas_is_used() -> None:
    """A name of the pure core that nobody else uses is private or dead."""
    words = {source.path: set(re.findall(r"\w+", source.text)) for source, _ in python()}
    nothing(
        f"{source.path}:{node.lineno} {name}"
        for source, tree in python("schemas")
        for node, name in _public_names(tree)
        if not any(name in used for path, used in words.items() if path != source.path)
        and not _used_within(tree, node, name)
    )


def _public_names(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, *type_of_function)) and not node.name.startswith("_"):
            yield node, node.name


def _used_within(tree: ast.Module, definition: ast.stmt, name: str) -> bool:
    """A class that a public signature of its own module names is part of that signature."""
    return any(
        isinstance(node, ast.Name) and node.id == name
        for other in tree.body
        if other is not definition and not getattr(other, "name", "_").startswith("_")
        for node in ast.walk(other)
    )


def test_a_changelog_fragment_is_well_formed() -> None:
    """`changes/<subject>.<type>.md` with some sentences, so that a release joins them by itself."""
    fragments = [source for source in sources() if source.package == "changes" and source.stem != "README.md"]
    nothing(source.path for source in fragments if not FRAGMENT.fullmatch(source.stem))
    nothing(
        f"{source.path}: empty or a heading"
        for source in fragments
        if not re.match(r"\s*[^#\s]", source.text)
    )


def test_no_file_names_a_registry_or_a_place_on_this_machine() -> None:
    """Where packages come from is the user's setting; a host in a file would overrule or leak it."""
    settings = " ".join(
        value for name, value in os.environ.items() if re.search(r"(?i)index_url|registry", name)
    )
    hosts = (*REGISTRIES, *re.findall(r"https?://(?:[^@/\s]*@)?([^:/\s]+)", settings), f"{ROOT}/")
    nothing(
        f"{source.path}: {host}"
        for source in sources()
        for host in hosts
        if host in source.text and not host.startswith(("localhost", "127."))
    )


def test_no_adapter_overrides_its_contract() -> None:
    """An adapter's test class supplies the adapter; overriding a contract test switches the contract off."""
    contracts = {
        node.name: {member.name for member in node.body if isinstance(member, type_of_function)}
        for source, tree in python(*PACKAGES)
        if source.stem == "testing.py" or "/testing/" in source.path
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    nothing(
        f"{source.path}:{member.lineno} {node.name}.{member.name}"
        for source, tree in python("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        for member in node.body
        if isinstance(member, type_of_function) and member.name.startswith("test_")
        if member.name in contracts.get(dotted(base).split(".")[-1], ())
    )


def test_a_script_can_be_read_at_a_glance() -> None:
    """What a command does stands in at most 20 lines of plain sh."""
    scripts = [source for source in sources() if source.package == "scripts" and source.tree is None]
    nothing(f"{s.path}: {n} lines" for s in scripts if (n := s.text.count("\n")) > SCRIPT_LINES_MAX)
    nothing(source.path for source in scripts if not source.text.startswith("#!/bin/sh\n"))


CASES: list[tuple[Callable[[], None], str, str]] = [
    (test_a_module_says_what_it_is, "api/planted.py", "x = 1\n"),
    (test_a_function_fits_on_a_screen, "api/planted.py", "def f():\n" + "    x = 1\n" * 70),
    (test_a_module_has_one_subject, "api/planted.py", "x = 1\n" * 401),
    (test_a_line_can_be_read_beside_another, "storage/planted.cql", "-- " + "x" * 110),
    (
        test_a_public_function_has_a_docstring_and_a_return_type,
        "api/planted.py",
        "def f() -> int:\n    return 1\n",
    ),
    (test_a_test_is_a_sentence, "tests/test_planted.py", "def test_x():\n    assert 1\n"),
    (test_nothing_is_left_over, "docs/planted.md", "TO" + "DO: later\n"),
    (test_only_the_command_prints, "api/planted.py", "print(1)\n"),
    (test_only_the_runtime_reads_a_clock, "api/planted.py", "import datetime\ndatetime.datetime.now()\n"),
    (
        test_a_caught_exception_is_raised_or_logged,
        "api/planted.py",
        "try:\n  f()\nexcept Exception:\n  pass\n",
    ),
    (test_statements_live_in_files, "storage/planted.py", 'x = "SELECT a FROM b"\n'),
    (test_statements_live_in_files, "storage/planted.py", 'x = f"DELETE FROM {t} WHERE k = ?"\n'),
    (test_a_port_promises_types, "storage/port.py", "def f(x: Any): ...\n"),
    (test_a_module_is_named_after_its_subject, "api/utils.py", ""),
    (test_a_public_name_of_schemas_is_used, "schemas/planted.py", "def nobody_calls_this(): ...\n"),
    (test_a_changelog_fragment_is_well_formed, "changes/New thing.md", "One can now …\n"),
    (
        test_no_file_names_a_registry_or_a_place_on_this_machine,
        "x.lock",
        "--index-url https://" + REGISTRIES[0],
    ),
    (test_a_script_can_be_read_at_a_glance, "scripts/planted", "#!/bin/sh\n" * 21),
]


@pytest.mark.parametrize(("rule", "path", "text"), CASES, ids=lambda case: getattr(case, "__name__", None))
def test_each_rule_finds_what_is_planted(
    rule: Callable[[], None], path: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that finds nothing in a file made to break it would protect nobody."""
    planted = Source(path, text, ast.parse(text) if path.endswith(".py") else None)
    monkeypatch.setitem(globals(), "sources", lambda: (planted,))

    with pytest.raises(pytest.fail.Exception, match=re.escape(path)):
        rule()
