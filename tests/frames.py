"""Where a value is in what an error holds: the local variables of every frame of every error in its chain."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from keys_app.core.secret import Secret

DEEP = 4
_NOT_OURS = ("/tests/", "/_pytest/", "/pluggy/", "/django/test/")
"""Whose frames don't count: they sent the value, or run the test."""


def places(error: BaseException, *values: str) -> list[str]:
    """Return where any of the values is: function and variable, and what holds it there."""
    return [
        f"{frame}: {name}{path}"
        for one in _chain(error)
        for frame, held in [*_frames(one.__traceback__), (type(one).__name__, {"args": one.args, **vars(one)})]
        for name, thing in held.items()
        for path in _within(thing, values, DEEP)
    ]


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [other for other in (one.__cause__, one.__context__) if other is not None]


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, dict[str, Any]]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        if not any(part in code.co_filename for part in _NOT_OURS):
            yield f"{code.co_filename.rpartition('/')[2]} {code.co_name}", trace.tb_frame.f_locals
        trace = trace.tb_next


def _within(thing: object, values: tuple[str, ...], deep: int) -> Iterator[str]:
    kind = type(thing)  # and not `isinstance`, which would let a lazy object do its work
    if issubclass(kind, str | bytes | bytearray):
        text = thing if issubclass(kind, str) else bytes(thing).decode("latin-1")  # type: ignore[call-overload]
        if any(value in text for value in values):
            yield ""
    elif deep and not issubclass(kind, Secret):
        for path, inner in _parts(thing, kind):
            yield from (path + rest for rest in _within(inner, values, deep - 1))


def _parts(thing: Any, kind: type) -> Iterator[tuple[str, object]]:
    if issubclass(kind, Mapping):
        yield from ((f"[{name!r}]", inner) for name, inner in list(thing.items()))
    elif issubclass(kind, list | tuple | set | frozenset):
        yield from ((f"[{number}]", inner) for number, inner in enumerate(thing))
    else:
        held = dict(getattr(thing, "__dict__", {})) if not issubclass(kind, type) else {}
        slots = {name: getattr(thing, name, None) for base in kind.__mro__ for name in _slots(base)}
        yield from ((f".{name}", inner) for name, inner in {**slots, **held}.items())


def _slots(kind: type) -> tuple[str, ...]:
    found = kind.__dict__.get("__slots__", ())
    return tuple(name for name in ([found] if isinstance(found, str) else found) if not name.startswith("__"))
