"""Every operation of Twilio's SDKs, as they are written in each language, is read as its own permission or not at all.

What the SDKs send is in `data/sdk_calls/`, taken from their packages, and for Python from the installed one. The
permission is the one that the row for that method and path gives.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.paste import endpoints, read_paste
from keys_app.permissions.paste.model import Suggestion
from tests.permissions import sdk_python

DATA = Path(__file__).parent / "data" / "sdk_calls"
LANGUAGES = ["python", "node", "ruby", "php", "java", "csharp", "go", "cli"]

# The operations that are not read, though the table has a permission for them: two classes of Verify have one name,
# and `tokens:create` is taken for a credential, which is dropped before anything is read.
UNREAD = {
    "go": {"client.VerifyV2.CreateNewFactor(ServiceSid, Identity, params)"},
    "cli": {
        "twilio api:verify:v2:services:access-tokens:create --service-sid X",
        "twilio api:verify:v2:services:access-tokens:fetch --service-sid X --sid X",
    },
}

# A call without its import that is read as another one: a bare Call is the call of Voice. Voice Insights has a class
# of that name, too, whose answer holds links and nothing else.
MEANS_ANOTHER = {"Call.fetcher(pathSid).fetch();", "CallResource.Fetch(pathSid: pathSid);"}


@cache
def calls(language):
    """Return HTTP method, host, path and call of each operation."""
    if language == "python":
        hosts = {row.host for row in endpoints.all_endpoints()}
        return tuple(one for one in sdk_python.operations() if one[1] in hosts)
    lines = (DATA / f"{language}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return tuple(tuple(line.split("\t")) for line in lines)


def needed(method, host, path):
    """Return the permission that the request needs, or None."""
    endpoint = endpoints.find_path(host, re.sub(r"\{\}|(?<=/)(?:sid|x)(?=/|$|\.json)", "X1", path))
    result = endpoints.outcome(method, endpoint, catalogue()) if endpoint else ""
    certain = isinstance(result, Suggestion) and not result.permission.startswith("/twilio/iam/")
    return result.permission if certain else None


def ticked(text):
    return [item.permission for item in read_paste(text).suggestions]


def wrongly_read(written):
    """Return what is ticked and not needed, or needed beside something else that is ticked."""
    read = [(call, ticked(call), needed(*request)) for *request, call in written]
    return [(call, got, want) for call, got, want in read if got and got != [want]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_read_as_its_permission_or_not_at_all(language):
    assert wrongly_read(calls(language)) == []
    unread = {call for *request, call in calls(language) if needed(*request) and not ticked(call)}
    assert unread == UNREAD.get(language, set())


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sdk_has_every_operation_of_the_table(language):
    """So that the test above is about all of the table."""
    have = {(method, needed(method, host, path)) for method, host, path, _ in calls(language)}
    table = {
        (method, f"/twilio/{row.resource}/{action}")
        for row in endpoints.all_endpoints()
        for method, action in row.methods.items()
        if not row.note and f"/twilio/{row.resource}/{action}" in catalogue() and "/iam/" not in f"/{row.resource}/"
    }
    assert len(table) > 230
    assert table - have == set()


# Other ways to write the same calls.
FORMS = {
    "python": [(r"\.(create|list|stream|page|fetch|update|delete)\(([^()]*)\)$", r".\1_async(\2)"),
               (r"\.(create|list|fetch|update|delete)\(([^()]*)\)$", r".\1_with_http_info(\2)"),
               (r"^client\.", "self.twilio."), (r"^(client)(.*)\.(\w+\(.*\))$", r"\1\2 \\\n    .\3")],
    "node": [(r"\.(create|fetch|update|remove)\(", r".\1WithHttpInfo("), (r"\.list\(", ".each("),
             (r"^await client(.*)\.(\w+\(.*);$", r"const t = require('twilio')(sid, token);\nt\1\n  .\2.then(done);")],
    "ruby": [(r"^client", "@client"), (r"^client", "Twilio::REST::Client.new(sid, token)")],
    "php": [(r"^\$twilio", "$this->client"), (r"^\$twilio", r"(new \\Twilio\\Rest\\Client($sid, $token))"),
            (r"->read\(", "->stream(")],
    "java": [(r"^import ([\w.]+);", r"import \1;\nimport com.twilio.Twilio;\n"),
             (r"^import ([\w.]+)\.\w+; ", r"\1."), (r"^import ([\w.]+)\.\w+;", r"import \1.*;")],
    "csharp": [(r"Resource\.(\w+)\(", r"Resource.\1Async("), (r"^using ([\w.]+); ", r"\1."),
               (r"^using ([\w.]+);", r"using System;\nusing Twilio;\nusing \1;\n")],
    "go": [(r"\.List", ".Page"), (r"\.List", ".Stream"), (r"(\w+)\(([^()]*)\)$", r"\1WithMetadata(\2)")],
    "cli": [(r":", " "), (r"^twilio", "$ twilio")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "pattern", "form"), [(language, *one) for language, forms in FORMS.items() for one in forms]
)
def test_another_form_of_it_is_read_the_same(language, pattern, form):
    written = [(*request, re.sub(pattern, form, call)) for *request, call in calls(language)]
    changed = [one for one, before in zip(written, calls(language), strict=True) if one != before and needed(*one[:3])]
    assert len(changed) > 100
    assert wrongly_read(changed) == []
    unread = [call for *_, call in changed if not ticked(call)]
    assert len(unread) <= len(UNREAD.get(language, ()))


@pytest.mark.parametrize("language", ["java", "csharp"])
def test_a_class_without_its_import_is_read_where_only_one_can_be_meant(language):
    """What several resources could be is not ticked."""
    bare = [(*request, call.partition("; ")[2]) for *request, call in calls(language)]
    assert {call for call, _, _ in wrongly_read(bare)} <= MEANS_ANOTHER
    read = Counter(bool(ticked(call)) for *request, call in bare if needed(*request))
    assert read[True] > 2 * read[False]


def test_the_classes_of_the_sdks_are_all_known():
    text = (Path(endpoints.__file__).parent.parent / "data" / "sdk_classes.tsv").read_text(encoding="utf-8")
    known = {line.split("\t")[0].lower() for line in text.splitlines()[1:]}
    java = {re.match(r"import com\.twilio\.rest\.([\w.]+);", call)[1].lower() for *_, call in calls("java")}
    assert len(java) > 150
    assert java <= known


def test_the_names_of_the_sdks_arguments_are_all_known():
    text = (Path(endpoints.__file__).parent.parent / "data" / "sdk_parameters.txt").read_text(encoding="utf-8")
    named = {
        name.rstrip("_")
        for *request, call in calls("python")
        if needed(*request)
        for name in re.findall(r"(\w+)=", call)
    }
    assert len(named) > 40
    assert named <= set(text.split())
