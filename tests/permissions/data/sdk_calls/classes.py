"""Write `keys_app/permissions/data/sdk_classes.tsv` from the whole of what `extract.py` says of Java and of C#.

python classes.py JAVA.tsv CSHARP.tsv > sdk_classes.tsv
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

OPERATIONS = ("create", "list", "fetch", "update", "delete")
VERBS = {"creator": "create", "reader": "list", "fetcher": "fetch", "updater": "update", "deleter": "delete"}
JAVA = re.compile(r"import com\.twilio\.rest\.([\w.]+)\.(\w+); \w+\.(\w+)\((.*)\)\.\w+\(\);")
CSHARP = re.compile(r"using Twilio\.Rest\.([\w.]+); (\w+)Resource\.(\w+)\((.*)\);")


def operations(file: str) -> Iterator[tuple[str, str, str]]:
    """Yield class, operation and parameters, each with the class of Twilio's that it must be of."""
    for line in Path(file).read_text(encoding="utf-8").splitlines()[1:]:
        call = line.split("\t")[3]
        space, name, verb, arguments = (JAVA.fullmatch(call) or CSHARP.fullmatch(call)).groups()
        found = re.findall(r"(?:\w+: )?(?:new (?:[\w.]+\.)?(\w+)\((\w+)\)|(\w+))", arguments)
        signature = " ".join(f"{plain or named}{':' + kind if kind else ''}" for kind, named, plain in found)
        yield f"{space.lower()}.{name}", VERBS.get(verb, {"Read": "list"}.get(verb, verb.lower())), signature or "-"


def main() -> None:
    known: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for name, operation, signature in operations(sys.argv[1]):
        known[name][operation][signature] = None
    java = set(known)
    for name, operation, signature in operations(sys.argv[2]):
        if name not in java:
            known[name][operation][signature] = None
    names = [path.rpartition(".")[2] for path in known]
    print("class", *OPERATIONS, sep="\t")
    for path, signatures in sorted(known.items()):
        shared = names.count(path.rpartition(".")[2]) > 1
        print(path, *(" | ".join(signatures[one]) if shared else "" for one in OPERATIONS), sep="\t")


if __name__ == "__main__":
    main()
