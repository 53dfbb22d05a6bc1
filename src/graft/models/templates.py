"""Chat templates of model folders, rendered within bounds.

A template is a program that comes with weights. It runs in Jinja's sandbox, with the filters
and text methods that templates of published models use, and pays for what it does: each turn of
a loop, each call and each piece of text counts against a budget, so that an endless or huge
template ends in an error within seconds. No template is ever taken from a request.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from graft.errors import BadInput

__all__ = ["MAX_TEMPLATE", "BoundedTemplate", "TemplateRefused"]

MAX_TEMPLATE = 128 * 1024  # characters of the template itself; the longest published have 30,000
MAX_TEXT = 2_000_000  # characters of one value
MAX_OUTPUT = 8_000_000  # characters written in one rendering, those into variables included
MAX_STEPS = 200_000  # turns of loops and calls of macros in one rendering
MAX_ITEMS = 100_000  # of a list with all that is in it
MAX_SECONDS = 5.0
MAX_BITS = 4_096
FILTERS = frozenset(
    (
        *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first"),
        *("float", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min"),
        *("reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr"),
        *("sort", "string", "sum", "title", "tojson", "trim", "unique", "upper"),
    )
)
TEXT_METHODS = frozenset(
    (
        *("capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit"),
        *("islower", "isspace", "isupper", "join", "lower", "lstrip", "partition", "removeprefix"),
        *("removesuffix", "replace", "rfind", "rpartition", "rsplit", "rstrip", "split"),
        *("splitlines", "startswith", "strip", "title", "upper"),
    )
)
GLOBALS = ("range", "dict", "namespace")
FAILURES = (
    TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError,
    MemoryError,
)  # fmt: skip


class TemplateRefused(BadInput):
    """A chat template that takes more than it may; it is not asked again."""


class _Budget:
    """What one rendering may still take."""

    def __init__(self) -> None:
        self.steps, self.output = MAX_STEPS, MAX_OUTPUT
        self.ends = time.monotonic() + MAX_SECONDS

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise _too_much(f"more than {MAX_STEPS:,} turns of loops")
        if time.monotonic() > self.ends:
            raise _too_much(f"more than {MAX_SECONDS:.0f} seconds")

    def write(self, count: int) -> None:
        self.output -= count
        if self.output < 0:
            raise _too_much(f"more than {MAX_OUTPUT:,} characters")


_budget: ContextVar[_Budget] = ContextVar("_budget")


def _too_much(what: str) -> TemplateRefused:
    return TemplateRefused(
        "the chat template of the base model is refused",
        why=f"rendering it takes {what}",
        next_step="set base_model to another version of the model",
    )


def _step() -> None:
    budget = _budget.get(None)
    if budget is not None:  # none while a template is compiled
        budget.step()


class BoundedTemplate:
    """One compiled template; `render` is safe in several threads."""

    def __init__(self, source: str) -> None:
        """Compile the template.

        Raises:
            TemplateRefused: it is too long.
            ValueError: it is no template, or asks for what templates are not given.
        """
        from jinja2 import TemplateError

        if len(source) > MAX_TEMPLATE:
            raise _too_much(f"{len(source):,} characters of template, of {MAX_TEMPLATE:,} allowed")
        try:
            self._template = _environment().from_string(source)
        except (TemplateError, *FAILURES) as error:
            raise _as_value_error(error) from error

    def render(self, values: Mapping[str, Any]) -> str:
        """Render with values by name.

        Raises:
            TemplateRefused: it takes more than it may.
            ValueError: it fails, or reaches for what it may not.
        """
        from jinja2 import TemplateError

        token = _budget.set(_Budget())
        try:
            text = str(self._template.render(dict(values)))
            _check_length(text)
        except (TemplateError, *FAILURES) as error:
            raise _as_value_error(error) from error
        finally:
            _budget.reset(token)
        return text


def _as_value_error(error: BaseException) -> ValueError:
    return ValueError(f"{type(error).__name__}: {str(error)[:300]}")


def _weigh(value: object) -> None:
    """Refuse a value that is too large, with all that is in it."""
    left, items = [value], 0
    while left:
        item = left.pop()
        items += 1
        if items > MAX_ITEMS:
            raise _too_much(f"a list of more than {MAX_ITEMS:,} items")
        if isinstance(item, str):
            _check_length(item)
        elif isinstance(item, int):
            if item.bit_length() > MAX_BITS:
                raise _too_much(f"a number of more than {MAX_BITS:,} bits")
        elif isinstance(item, list | tuple | set | frozenset):
            left.extend(list(item)[: MAX_ITEMS + 1])
        elif isinstance(item, dict):
            left.extend(item)
            left.extend(item.values())


def _check_length(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise _too_much(f"a text of more than {MAX_TEXT:,} characters")


def _replaced(text: str, old: str, new: str) -> None:
    """Refuse a replacement before it is made where it would be too long."""
    if len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_TEXT:
        raise _too_much(f"a text of more than {MAX_TEXT:,} characters")


def _joined(items: list[Any], between: object) -> None:
    _weigh(items)
    size = sum(len(str(item)) for item in items) + len(str(between)) * len(items)
    if size > MAX_TEXT:
        raise _too_much(f"a text of more than {MAX_TEXT:,} characters")


def _bounded(name: str, plain: Callable[..., Any], place: int) -> Callable[..., Any]:
    """Return a filter that pays; `place` is where its value stands among the arguments."""

    @functools.wraps(plain)
    def run(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever a template passes
        _step()
        value, more = given[place], list(given[place + 1 :]) + list(named.values())
        _weigh(value)
        if name == "replace" and len(more) > 1:
            _replaced(str(value), str(more[0]), str(more[1]))
        if name == "join":
            items = list(value)
            _joined(items, more[0] if more else "")
            given = (*given[:place], items, *given[place + 1 :])
        found = plain(*given, **named)
        _weigh(found)
        return found

    return run


def _tojson(value: object, *_: object, **named: object) -> str:
    _weigh(value)
    indent = named.get("indent")
    return json.dumps(value, ensure_ascii=False, indent=indent if indent in (2, 4) else None)


@functools.cache
def _environment() -> Any:  # noqa: ANN401 - a class made here, since jinja2 is imported late
    from jinja2 import nodes, pass_context
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Bounded(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("+", "*", "**", "%"))

        def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
            tree: nodes.Template = _with_steps(super()._parse(source, name, filename))
            return tree

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401
            known = not isinstance(obj, str | bytes) or attr in TEXT_METHODS
            return known and super().is_safe_attribute(obj, attr, value)

        def wrap_str_format(self, value: Any) -> None:  # noqa: ANN401
            return None  # `format` knows widths of any length: it is no method of a text here

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if operator == "**" or (operator in "*%" and not numbers):
                raise SecurityError(f"{operator} is for numbers alone, and ** for none")
            _weigh([left, right])
            found = super().call_binop(context, operator, left, right)
            _weigh(found)
            return found

        def call(__self, __context: Any, __obj: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401, N805
            _step()
            owner, called = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
            if isinstance(owner, str) and called == "replace" and len(given) > 1:
                _replaced(owner, str(given[0]), str(given[1]))
            if isinstance(owner, str) and called == "join" and given:
                given = (list(given[0]),)
                _joined(given[0], owner)
            found = super().call(__context, __obj, *given, **named)
            _weigh(found)
            return found

    environment = Bounded(
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_writing(pass_context),
        extensions=["jinja2.ext.loopcontrols"],
    )
    filters = {name: plain for name, plain in environment.filters.items() if name in FILTERS}
    filters["tojson"] = _tojson
    environment.filters = {
        name: _bounded(name, plain, int(hasattr(plain, "jinja_pass_arg")))
        for name, plain in filters.items()
    }
    environment.filters |= {"_step": _stepping(pass_context), "_joined": _joining(pass_context)}
    environment.filters["_weighed"] = _weighing(pass_context)
    environment.globals = {name: environment.globals[name] for name in GLOBALS}
    environment.globals["raise_exception"] = _refuse
    return environment


def _writing(pass_context: Callable[..., Any]) -> Any:  # noqa: ANN401
    @pass_context
    def write(_: Any, value: Any) -> Any:  # noqa: ANN401
        _weigh(value)
        text = "" if value is None else str(value)
        budget = _budget.get(None)
        if budget is not None:
            budget.write(len(text))
        return value if hasattr(value, "__html__") else text

    return write


# Filters of ours are given the context, so that none is worked out while compiling.
def _stepping(pass_context: Callable[..., Any]) -> Any:  # noqa: ANN401
    @pass_context
    def step(_: Any, value: str) -> str:  # noqa: ANN401
        _step()
        return value

    return step


def _joining(pass_context: Callable[..., Any]) -> Any:  # noqa: ANN401
    @pass_context
    def join(_: Any, parts: list[Any]) -> str:  # noqa: ANN401
        _joined(parts, "")
        return "".join(str(part) for part in parts)

    return join


def _weighing(pass_context: Callable[..., Any]) -> Any:  # noqa: ANN401
    @pass_context
    def weigh(_: Any, value: Any) -> Any:  # noqa: ANN401
        _weigh(value)
        return value

    return weigh


def _with_steps(tree: Any) -> Any:  # noqa: ANN401 - a syntax tree of jinja2
    """Make loops, macros and blocks pay, and lists and joined texts be weighed."""
    from jinja2 import nodes
    from jinja2.visitor import NodeTransformer

    def through(node: Any, name: str) -> Any:  # noqa: ANN401
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)

    class Paying(NodeTransformer):
        def _body(self, node: Any) -> Any:  # noqa: ANN401
            self.generic_visit(node)
            nothing = nodes.Const("", lineno=node.lineno)
            node.body.insert(0, nodes.Output([through(nothing, "_step")], lineno=node.lineno))
            return node

        visit_For = visit_Macro = visit_CallBlock = visit_Block = _body  # noqa: N815

        def visit_Concat(self, node: Any) -> Any:  # noqa: ANN401, N802
            self.generic_visit(node)
            return through(nodes.List(node.nodes, lineno=node.lineno), "_joined")

        def _literal(self, node: Any) -> Any:  # noqa: ANN401
            self.generic_visit(node)
            stored = getattr(node, "ctx", "load") != "load"
            return node if stored else through(node, "_weighed")

        visit_List = visit_Dict = visit_Tuple = _literal  # noqa: N815

    done = Paying().visit(tree)
    for node in done.find_all(nodes.Node):
        node.set_environment(tree.environment)
    return done


def _refuse(message: str) -> None:
    raise BadInput("the chat template refused the messages", why=str(message))
