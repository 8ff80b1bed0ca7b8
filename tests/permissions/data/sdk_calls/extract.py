"""Write down what Twilio's SDKs send: a line for each operation, with the call as it is written in that language.

    python extract.py LANGUAGE VERSION SOURCES > LANGUAGE.tsv

LANGUAGE is java, csharp, go, php, ruby or cli; VERSION is that of the package; SOURCES is the folder of its unpacked
sources that holds the generated classes (for the CLI: the one with its OpenAPI files). Nothing is taken from the
portal's own tables. `README.md` says what a line holds. Node's lines are made by `extract.js`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

Line = tuple[str, str, str, str]  # HTTP method, host, path, call

_HOSTS = {"flex": "flex-api", "frontline": "frontline-api", "previewiam": "preview-iam", "ipmessaging": "ip-messaging"}


def host_of(name: str) -> str:
    plain = name.replace("_", "").lower().removesuffix("api") or "api"
    return _HOSTS.get(plain, plain)


def braces(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def parameters(text: str) -> list[tuple[str, str]]:
    """Return type and name of each parameter of a signature in Java or C#, without those that have a default."""
    found, depth, start = [], 0, 0
    for place, letter in enumerate(text + ","):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            part, start = text[start:place].strip(), place + 1
            if part and "=" not in part:
                kind, _, name = part.removeprefix("final ").rpartition(" ")
                found.append((kind.strip(), name))
    return found


def value(kind: str, name: str) -> str:
    """Return an argument as a user writes it."""
    plain = kind.rpartition(".")[2]
    if plain == "PhoneNumber":
        return f"new {'' if kind[0].islower() else 'Twilio.Types.'}PhoneNumber({name})"
    return name


# Java: a class a verb, whose method makeRequest holds path and method; the resource has a static method for it.
_JAVA = {
    "Creator": ("creator", "create"),
    "Fetcher": ("fetcher", "fetch"),
    "Reader": ("reader", "read"),
    "Updater": ("updater", "update"),
    "Deleter": ("deleter", "delete"),
}


def java(root: Path) -> Iterator[Line]:
    for file in sorted(root.rglob("*.java")):
        verb = next((verb for verb in _JAVA if file.stem.endswith(verb)), "")
        text = read(file)
        request = re.search(r'String path =\s*"([^"]+)".*?HttpMethod\.(\w+),\s*Domains\.(\w+)', text, re.DOTALL)
        if not verb or not request:
            continue
        path, method, domain = request.groups()
        name = file.stem.removesuffix(verb)
        package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)[1]
        start, end = _JAVA[verb]
        for signature in re.findall(rf"public {file.stem}\(([^)]*)\)", text):
            arguments = ", ".join(value(*one) for one in parameters(" ".join(signature.split())))
            call = f"import {package}.{name}; {name}.{start}({arguments}).{end}();"
            yield method, host_of(domain), path, call


def csharp(root: Path) -> Iterator[Line]:
    for file in sorted(root.rglob("*Resource.cs")):
        text = read(file)
        space = re.search(r"^namespace ([\w.]+)", text, re.MULTILINE)[1]
        for verb, path, method, domain in re.findall(
            r'Request Build(\w+)Request\(.*?string path = "([^"]+)".*?HttpMethod\.(\w+),\s*Rest\.Domain\.(\w+)',
            text,
            re.DOTALL,
        ):
            signatures = re.findall(rf"public static [\w.<>]+ {verb}\(([^)]*)\)", text)
            for signature in signatures:
                given = parameters(" ".join(signature.split()))
                if any(kind.endswith("Options") for kind, _ in given):
                    continue
                arguments = ", ".join(f"{name}: {value(kind, name)}" for kind, name in given)
                yield method.upper(), host_of(domain), path, f"using {space}; {file.stem}.{verb}({arguments});"


def go(root: Path) -> Iterator[Line]:
    imports = re.findall(r'^\t(\w+) "[\w./-]+/twilio-go/rest/([\w/]+)"', read(root / "twilio.go"), re.MULTILINE)
    services = {folder: name for name, folder in imports}
    for folder, service in sorted(services.items()):
        for file in sorted((root / "rest" / folder).glob("*.go")):
            for name, signature, body in re.findall(
                r"^func \(c \*ApiService\) ([A-Z]\w+)\(([^)]*)\)[^\n]*\{\n(.*?)^\}",
                read(file),
                re.MULTILINE | re.DOTALL,
            ):
                path = re.search(r'path := "([^"]+)"', body)
                method = re.search(r"requestHandler\.(Get|Post|Put|Patch|Delete)\(", body)
                if not path or not method or name.endswith("WithMetadata"):
                    continue
                arguments = ", ".join(part.split()[0] for part in signature.split(",") if part.strip())
                yield (
                    method[1].upper(),
                    host_of(folder.partition("/")[0]),
                    path[1],
                    f"client.{service}.{re.sub('^Page', 'List', name)}({arguments})",
                )


# PHP and Ruby: lists and contexts, each with its path; a context names the lists and contexts below it.
def php(root: Path) -> Iterator[Line]:
    for prop in re.findall(r"^ \* @property (\w+) \$\w+$", read(root / "Client.php"), re.MULTILINE):
        base = root / f"{prop}Base.php"
        for version in sorted((root / prop).glob("V*.php")) if base.exists() else ():
            host = re.search(r"https://([\w-]+)\.twilio\.com", read(base))[1]
            at = re.search(r"this->version = '([^']+)'", read(version))[1]
            start = f"$twilio->{prop[0].lower()}{prop[1:]}->{version.stem.lower()}"
            yield from _php_below(version, "$twilio" if host == "api" else start, host, at)


def _php_below(file: Path, chain: str, host: str, version: str) -> Iterator[Line]:
    text = read(file)
    folder = file.with_name(re.sub("(List|Context)$", "", file.stem))
    below = [(kind, name, None) for kind, name in re.findall(r"^ \* @property ([\w\\]+) \$(\w+)$", text, re.MULTILINE)]
    below += re.findall(r"^ \* @method ([\w\\]+) (\w+)\(([^)]*)\)$", text, re.MULTILINE)
    for kind, name, arguments in below:
        found = [
            folder / f"{kind.rpartition(chr(92))[2]}.php",
            folder / "Account" / f"{kind.rpartition(chr(92))[2]}.php",
        ]
        child = next((one for one in found if one.exists()), None)
        if child is None or name == "account":
            continue
        called = (
            "" if arguments is None else f"({', '.join(part.split()[-1] for part in arguments.split(',') if part)})"
        )
        link = f"{chain}->{'api->v2010->' if name == 'accounts' else ''}{name}{called}"
        yield from _php_operations(child, link, host, version)
        if re.search(r"function getContext\(\s*\)", read(child)):
            yield from _php_operations(
                child.with_name(f"{child.stem.removesuffix('List')}Context.php"), f"{link}()", host, version
            )
        if child.stem != "AccountContext":  # what it holds stands at the client, too
            yield from _php_below(child, link, host, version)


def _php_operations(file: Path, chain: str, host: str, version: str) -> Iterator[Line]:
    text = read(file)
    uri = re.search(r"this->uri =(.*?);", text, re.DOTALL)
    if not uri:
        return
    pieces = re.finditer(r"'([^']*)'|rawurlencode", uri[1])
    path = f"/{version}" + "".join("{}" if piece[1] is None else piece[1] for piece in pieces)
    for verb, signature, body in re.findall(r"function _(\w+)\(([^)]*)\)[^{]*\{(.*?)\n    \}", text, re.DOTALL):
        method = re.search(r"handleRequest\('(\w+)'", body)
        needed = [part.split()[-1] for part in signature.split(",") if part.strip() and "=" not in part]
        if method:
            yield method[1], host, path, f"{chain}->{verb}({', '.join(needed)});"
    if "function read(" in text:
        yield "GET", host, path, f"{chain}->read([], 20);"


def ruby(root: Path) -> Iterator[Line]:
    names = re.findall(r"^            def (\w+)$", read(root / "client.rb"), re.MULTILINE)
    for name in names:
        for version in sorted((root / name).glob("v*.rb")) if (root / f"{name}_base.rb").exists() else ():
            host = re.search(r"https://([\w-]+)\.twilio\.com", read(root / f"{name}_base.rb"))[1]
            at = re.search(r"@version = '([^']+)'", read(version))[1]
            chain = "client" if host == "api" else f"client.{name}.{version.stem}"
            folder = version.with_suffix("")
            if host == "api":
                yield from _ruby_class(folder / "account.rb", "AccountList", f"{chain}.api.accounts", host, at)
                yield from _ruby_class(folder / "account.rb", "AccountContext", f"{chain}.api.accounts(sid)", host, at)
                folder = folder / "account"
                yield from _ruby_below(read(folder.with_suffix(".rb")), folder, chain, host, at)
            else:
                yield from _ruby_below(read(version), folder, chain, host, at)


def _ruby_below(text: str, folder: Path, chain: str, host: str, version: str) -> Iterator[Line]:
    for name, body in re.findall(
        r"^ +def (\w+)(?:\(\w+ ?= ?:unset\))?\n(.*?)(?=^ +def )", text, re.MULTILINE | re.DOTALL
    ):
        for kind in dict.fromkeys(re.findall(r"(\w+(?:List|Context))\.new", body)):
            stem = re.sub("(List|Context)$", "", kind)
            file = next((one for one in folder.glob("*.rb") if re.search(rf"class {kind} <", read(one))), None)
            if not file or not stem or name == "context":
                continue
            given = "(sid)" if kind.endswith("Context") and ":unset" in body else ""
            link = f"{chain}.{name}{given}"
            yield from _ruby_class(file, kind, link, host, version)


def _ruby_class(file: Path, kind: str, chain: str, host: str, version: str) -> Iterator[Line]:
    stem = re.sub("(List|Context)$", "", kind)
    ending = rf"(?=^ +class {stem}(?:Context|Page|Instance\w*|ListResponse) |\Z)"
    body = re.search(rf"class {kind} <(.*?){ending}", read(file), re.MULTILINE | re.DOTALL)[1]
    uri = re.search(r'@uri = "([^"]+)"', body)
    path = f"/{version}" + re.sub(r"#\{[^}]*\}", "{}", uri[1]) if uri else ""
    for verb, signature, inner in re.findall(
        r"^ +def (\w+)(\([^)]*\))?\n(.*?)(?=^ +def |\Z)", body, re.MULTILINE | re.DOTALL
    ):
        method = re.search(r"@version\.\w+\('(\w+)', @uri", inner)
        if not method or verb.endswith("_with_metadata"):
            continue
        needed = re.findall(r"(\w+): nil(?!\w)", signature)
        call = ", ".join(f"{one}: {one}" for one in needed if one not in ("limit", "page_size"))
        link = f"{chain}.list(limit: 20)" if verb == "page" else f"{chain}.{verb}"
        yield method[1], host, path, f"{link}({call})" if call else link
    if kind != "AccountContext":
        yield from _ruby_below(body + "                    def end\n", file.with_suffix(""), chain, host, version)


def cli(root: Path) -> Iterator[Line]:
    """Name commands as the package's own src/hooks/init/twilio-api.js and get-topic-name.js do."""
    actions = {
        "list": {"get": "list", "post": "create"},
        "instance": {"delete": "remove", "get": "fetch", "post": "update"},
    }
    for file in sorted(root.glob("twilio_*.json")):
        domain = file.stem.split("_")[1]
        for path, item in json.loads(read(file))["paths"].items():
            kind = item.get("x-twilio", {}).get("pathType", "").lower()
            if not kind or file.stem == "twilio_voice_oneconsole":
                continue
            server = (item.get("servers") or json.loads(read(file))["servers"])[0]["url"]
            host = re.search(r"https://([\w-]+)\.twilio\.com", server)
            topic = domain + re.sub(r"/+", ":", _kebab(re.sub(r"/\{.+?\}", "", re.sub(r"\.json$", "", path))))
            topic = re.sub(r"^api:2010-04-01:accounts(?=:)|^api:2010-04-01", "core", topic)
            for method in ("get", "post", "delete"):
                action = actions[kind].get(method)
                if kind == "list" and "delete" in item and action != "create":
                    action = actions["instance"][method]
                flags = [one["name"] for one in item.get(method, {}).get("parameters", []) if one["in"] == "path"]
                given = "".join(f" --{_kebab(flag)} X" for flag in flags)
                if method in item and host:
                    yield method.upper(), host[1], path, f"twilio api:{topic}:{action}{given}"


def _kebab(name: str) -> str:
    name = re.sub(r"([a-z])([A-Z])", r"\1-\2", re.sub(r"[ _]", "-", name))
    return re.sub(r"-+", "-", re.sub(r"(\d[A-Z]*)([A-Z])", r"\1-\2", name).lower()).strip("-")


def main() -> None:
    language, version, sources = sys.argv[1:]
    lines = {java, csharp, go, php, ruby, cli}
    extract = next(one for one in lines if one.__name__ == language)
    print(f"# {language} {version}")
    for method, host, path, call in dict.fromkeys(extract(Path(sources))):
        print(method, host, braces(path), call, sep="\t")


if __name__ == "__main__":
    main()
