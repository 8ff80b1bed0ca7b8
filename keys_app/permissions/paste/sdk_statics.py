"""Reading calls of Java and C#, which start at a class: `Message.creator(…)`, `MessageResource.CreateAsync(…)`.

Which of the classes of one name is meant is decided by the imports, then by the arguments. What stays open between
several is offered, not ticked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from keys_app.permissions.catalogue import Catalogue

from .endpoints import outcome, unknown_call
from .model import Suggestion
from .sdk_names import (
    CREATE,
    DELETE,
    FETCH,
    LIST,
    UPDATE,
    Operation,
    SdkClass,
    Words,
    class_path,
    class_paths,
    classes_of_name,
    of_class,
)
from .sdk_source import Argument, SourceCode

_VERBS = {
    "creator": CREATE,
    "reader": LIST,
    "fetcher": FETCH,
    "updater": UPDATE,
    "deleter": DELETE,
    "Create": CREATE,
    "Read": LIST,
    "Fetch": FETCH,
    "Update": UPDATE,
    "Delete": DELETE,
}
_CALL = re.compile(
    r"(?<![\w.])(?P<package>(?:[A-Za-z_]\w{0,60}\.){0,9})"
    r"(?:(?P<java>[A-Z]\w{0,80})\s{0,99}\.\s{0,99}(?P<verb>creator|reader|fetcher|updater|deleter)"
    r"|(?P<csharp>[A-Z]\w{0,80}?)Resource\]?\s{0,99}(?:\.|::)\s{0,99}"
    r"(?P<does>Create|Read|Fetch|Update|Delete)(?:WithHeaders)?(?:Async)?)"
    r"\s{0,9}(?=\()"
)
_STATEMENT = re.compile(
    r"(?<![\w.])(?P<word>import|using)[ \t]{1,9}(?:(?P<alias>\w{1,80})[ \t]{0,9}=[ \t]{0,9})?"
    r"(?P<path>[A-Za-z]\w{0,60}(?:\.[A-Za-z]\w{0,60}){1,9})(?P<all>\.[*_])?[ \t]{0,9}(?:;|$)",
    re.MULTILINE,
)
_NEW = re.compile(r"(?:new[ \t]{1,9})?(?:[a-zA-Z]\w{0,60}\.){0,6}(?P<class>[A-Z]\w{0,60})[ \t]{0,9}\(")
_NUMBER = re.compile(r"new\s{1,9}(?P<of>\w{1,80})Options\s{0,9}\(\s{0,99}new\s{1,9}[\w.]{0,60}PhoneNumber\b")
_OPTIONS = re.compile(r"(?:new[ \t]{1,9}[\w.]*Options\b|\w*[oO]ptions\Z)")
_REST = re.compile(r"(?:com\.)?twilio\.rest\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _ClassCall:
    name: str
    package: str
    operation: Operation
    arguments: list[Argument]
    csharp: bool
    to_a_number: bool  # whether its options in C# begin with a phone number
    shown: str


@dataclass(slots=True)
class _ImportedClasses:
    """The classes that are imported by name, and the packages and namespaces whose classes are."""

    classes: dict[str, str]
    spaces: list[str]


def read_statics(source: SourceCode, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each call of a class of Java's or C#'s SDK leads to."""
    imports = _imports(source)
    numbers = {found["of"] for found in _NUMBER.finditer(source.code)}
    for match in _CALL.finditer(source.code):
        call = _call(source, match, numbers)
        if call:
            yield from _meaning(call, imports, known)


def _imports(source: SourceCode) -> _ImportedClasses:
    found = _ImportedClasses({}, [])
    for statement in _STATEMENT.finditer(source.code):
        path = statement["path"]
        last = path.rpartition(".")[2]
        if statement["alias"]:
            found.classes[statement["alias"]] = path
        elif statement["all"] or statement["word"] == "using":
            found.spaces.append(path)
        else:
            found.classes[last] = path
    return found


def _call(source: SourceCode, match: re.Match[str], numbers: set[str]) -> _ClassCall | None:
    arguments = source.arguments(match.end())
    if arguments is None:
        return None
    csharp = match["csharp"] is not None
    name, verb = (match["csharp"], match["does"]) if csharp else (match["java"], match["verb"])
    shown = f"{name[:30]}{'Resource' if csharp else ''}.{verb}"
    return _ClassCall(
        name, match["package"].rstrip("."), _VERBS[verb], arguments, csharp, f"{verb}{name}" in numbers, shown
    )


def _meaning(call: _ClassCall, imports: _ImportedClasses, known: Catalogue) -> Iterator[Suggestion | str]:
    paths = _imported(call, imports)
    if paths is None:
        paths = _by_arguments(call)
    found: dict[str, Suggestion | str] = {}
    for path in paths:
        endpoint = of_class(path, call.operation)
        result = outcome(call.operation.method, endpoint, known) if endpoint else _unknown(call, path, known)
        found.setdefault(result.permission if isinstance(result, Suggestion) else result, result)
    if len(found) == 1:
        yield from found.values()
    elif found:
        yield f"{call.shown} is a name of several resources. Its import decides which one: paste that, too."
        yield from (replace(one, certain=False) for one in found.values() if isinstance(one, Suggestion))


def _unknown(call: _ClassCall, path: Words, known: Catalogue) -> str:
    return unknown_call(call.shown, path[0], path[1], path[-1:], known)


def _imported(call: _ClassCall, imports: _ImportedClasses) -> list[Words] | None:
    """Return the paths the call's class can have by its package or the imports; None if they do not say."""
    written = call.name + "Resource" * call.csharp
    full = f"{call.package}.{call.name}" if call.package else imports.classes.get(written, "")
    if full:
        path = _path(full.removesuffix("Resource"))
        return [path] if path else []
    paths = [path for space in imports.spaces if (path := _path(f"{space}.{call.name}"))]
    return [path for path in paths if path in class_paths()] if paths else None


def _path(full: str) -> Words | None:
    """Return the path of a class of Twilio's by its whole name; None for a class of another."""
    words = _REST.sub("", full).split(".")
    return class_path(words) if _REST.match(full) and len(words) > 2 else None


def _by_arguments(call: _ClassCall) -> list[Words]:
    """Return the paths of all classes of the SDKs that have the call's name and can be called like this."""
    classes = classes_of_name(call.name)
    return [one.path for one in classes if len(classes) == 1 or _can_be(one, call)]


def _can_be(one: SdkClass, call: _ClassCall) -> bool:
    return any(_takes(signature, call) for signature in one.signatures.get(call.operation, ()))


def _takes(signature: Words, call: _ClassCall) -> bool:
    given = call.arguments
    if call.csharp and any(_OPTIONS.match(one.value) for one in given):
        return not call.to_a_number or any(one.endswith(":PhoneNumber") for one in signature)
    if call.csharp:
        return _takes_names(signature, given)
    if len(signature) != len(given):
        return False
    kinds = (parameter.partition(":")[2] for parameter in signature)
    return all(_is_of(argument.value, kind) for argument, kind in zip(given, kinds, strict=True))


def _takes_names(signature: Words, given: list[Argument]) -> bool:
    """Tell whether C#'s arguments, of which the ones of the path are never optional, suit a signature."""
    parts = [one.partition(":")[0] for one in signature]
    needed = [one for one in parts if one.startswith("path")]
    placed = [one for one in given if not one.name]
    named = {one.name for one in given if one.name}
    missing = [one for one in needed[len(placed) :] if one not in named]
    strangers = [one for one in named if one.startswith("path") and one not in needed and one != "pathAccountSid"]
    return not missing and not strangers


def _is_of(value: str, kind: str) -> bool:
    """Tell whether what is written can be of a class of Twilio's, or, without one, of any other."""
    new = _NEW.match(value)
    if new:
        return new["class"] == kind or (not kind and new["class"] != "PhoneNumber")
    return not kind or value[:1] not in "\"'"
