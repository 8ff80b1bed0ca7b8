"""Twilio's errors in what people paste: each code in each form, and numbers that are none."""

import json

import pytest

from keys_app.permissions.paste import read_paste
from keys_app.twilio_errors.recognize import errors_in
from keys_app.twilio_errors.words import for_a_caller

from .samples import ASSERTIONS, SAMPLES


def rest(code, status, message):
    address = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": message, "more_info": address, "status": status}


# How an error with a code looks where people meet it. The SDKs' forms are from their public sources.
WITH_A_CODE = {
    "json": lambda code, status, message: json.dumps(rest(code, status, message)),
    "json, a line a field": lambda code, status, message: json.dumps(rest(code, status, message), indent=2),
    "json in json": lambda code, status, message: json.dumps({"body": json.dumps(rest(code, status, message))}),
    "json in json in json": lambda code, status, message: json.dumps(
        [json.dumps({"log": json.dumps(rest(code, status, message))})]
    ),
    "code as text": lambda code, status, message: json.dumps({"code": str(code), "message": message}),
    "python, coloured": lambda code, status, message: (
        "\n\x1b[31m\x1b[49mHTTP Error\x1b[0m \x1b[37m\x1b[49mYour request was:\x1b[0m\n\n"
        "\x1b[36m\x1b[49mGET /Services\x1b[0m\n\n"
        "\x1b[37m\x1b[49mTwilio returned the following information:\x1b[0m\n\n"
        f"\x1b[34m\x1b[49mUnable to fetch record: {message}\x1b[0m\n\n"
        "\x1b[37m\x1b[49mMore information may be available here:\x1b[0m\n\n"
        f"\x1b[34m\x1b[49mhttps://www.twilio.com/docs/errors/{code}\x1b[0m\n\n"
    ),
    "python, coloured, copied without escapes": lambda code, status, message: (
        f"[31m[49mHTTP Error[0m\n[34m[49m{message}[0m\n[37m[49mError Code[0m: [34m[49m{code}[0m | Status: {status}"
    ),
    "node": lambda code, status, message: (
        f"RestException [Error]: {message}\n    at success (/app/node_modules/twilio/lib/base/Version.js:79:15)\n"
        f"  status: {status},\n  code: {code},\n  moreInfo: 'https://www.twilio.com/docs/errors/{code}',\n"
        "  details: undefined\n}"
    ),
    "node, coloured": lambda code, status, message: (
        f"Error: {message} {{\n  status: \x1b[33m{status}\x1b[39m,\n  code: \x1b[33m{code}\x1b[39m\n}}"
    ),
    "ruby": lambda code, status, message: (
        f"[HTTP {status}] {code} : Unable to create record (Twilio::REST::RestError)\n{message}\n"
        f"https://www.twilio.com/docs/errors/{code}\n\n"
    ),
    "go": lambda code, status, message: (
        f"Status: {status} - ApiError {code}: {message} (null) More info: https://www.twilio.com/docs/errors/{code}"
    ),
    "php, var_dump": lambda code, status, message: (
        f'object(stdClass)#1 (4) {{\n  ["message"]=>\n  string(12) "{message}"\n  ["code"]=>\n  int({code})\n}}'
    ),
    "php, print_r": lambda code, status, message: (
        f"Twilio\\Exceptions\\RestException Object\n(\n    [message:protected] => [HTTP {status}] {message}\n"
        f"    [code:protected] => {code}\n)"
    ),
    "java, logged": lambda code, status, message: (
        f"com.twilio.exception.ApiException: {message}\n\tat com.twilio.base.Creator.create(Creator.java:45)\n"
        f"ApiException(code={code}, status={status})"
    ),
    "c#": lambda code, status, message: (
        f"Unhandled exception. Twilio.Exceptions.ApiException: {message}\n   at Twilio.Rest...\nTwilio Error {code}"
    ),
    "xml": lambda code, status, message: (
        f"<TwilioResponse><RestException><Code>{code}</Code><Message>{message}</Message></RestException></TwilioResponse>"
    ),
    "log line": lambda code, status, message: (
        f'2026-11-28T20:10:01.123Z level=error svc=sms msg="{message}" error_code={code} status={status} took=8021ms'
    ),
    "log line, code first": lambda code, status, message: f"2026-11-28 20:10:01 ERROR [sms] {code}: {message}",
    "voice sdk": lambda code, status, message: f"ConnectionError ({code}): {message}",
    "ios": lambda code, status, message: f'Error Domain=com.twilio.video Code={code} "{message}"',
    "in a sentence": lambda code, status, message: f"we got “{message}” from Twilio (code {code}), what now?",
}
# How the same text looks where the SDK leaves the code out.
WITHOUT_A_CODE = {
    "python": lambda status, message: f"HTTP {status} error: Unable to create record: {message}",
    "php": lambda status, message: (
        f"PHP Fatal error:  Uncaught Twilio\\Exceptions\\RestException: [HTTP {status}] Unable to create record: "
        f"{message} in /app/vendor/twilio/sdk/src/Twilio/Version.php:88"
    ),
    "java": lambda status, message: f"com.twilio.exception.ApiException: {message}",
    "c#": lambda status, message: f"Twilio.Exceptions.ApiException: {message}",
    "node": lambda status, message: (
        f"Error: {message}\n    at success (/app/node_modules/twilio/lib/base/Version.js:79)"
    ),
    "message": lambda status, message: json.dumps({"message": message, "status": status}),
}
NEEDS_A_CODE = {"unreadable", "parameter", "compliance", "region"}
TOLD_ALONE = [
    sample
    for sample in SAMPLES
    if sample[1] not in NEEDS_A_CODE and sample[0] not in (8001, 8021) and sample[3] != "Permission Denied"
]


def found(text):
    return [(form.code, form.name) for form in errors_in(text)]


@pytest.mark.parametrize("shape", WITH_A_CODE.values(), ids=WITH_A_CODE)
@pytest.mark.parametrize(("code", "name", "status", "message"), SAMPLES)
def test_an_error_is_found_in_each_shape(code, name, status, message, shape):
    assert found(shape(code, status, message)) == [(code, name)]


@pytest.mark.parametrize("shape", WITHOUT_A_CODE.values(), ids=WITHOUT_A_CODE)
@pytest.mark.parametrize(("code", "name", "status", "message"), TOLD_ALONE)
def test_it_is_found_by_its_text_alone(code, name, status, message, shape):
    assert found(shape(status, message)) == [(code, name)]


@pytest.mark.parametrize("code", sorted({sample[0] for sample in SAMPLES}))
@pytest.mark.parametrize(
    "shape", ["{}", " {}\n", "#{}", "“{}”", "error {}", "Error: {}", "Twilio {}", "code {}?", "twilio error code {}.",
              "https://www.twilio.com/docs/api/errors/{}", "The error code is {}."],
)  # fmt: skip
def test_a_code_alone_is_found(code, shape):
    assert [form.code for form in errors_in(shape.format(code))] == [code]


def test_several_are_all_found():
    assert [code for code, _ in found("70051, 20003 and 31202")] == [70051, 20003, 31202]
    both = f"HTTP 401 error: Unable to create record: {ASSERTIONS}\n[HTTP 401] Unable to fetch record: Authenticate"
    assert found(both) == [(70051, "no_assertions"), (20003, "authenticate")]


# Numbers that are no codes, though their digits are one's.
NO_CODES = [
    "+14155570051", "+1 415 720 0037", "To=+15557005120003", "tel:8001-555-0100", "call 8001-555",
    "SK20003200032000320003200032000320", "AC70051700517005170051700517005170", "SM20404", "req_20404",
    "id=70051", '"id": 70051', "order 20003", "order 20404: not found", "user 8001: unauthorized",
    "localhost:8001", "http://127.0.0.1:8021/x", "port 8001", "port: 8021", "-p 8001:8001", "8001/tcp", "[::]:8001",
    "Washington, DC 20003", "zip code 20003", "zip_code: 20003", '"postal_code": "20003"', "20003 - Washington",
    "short code 70051", "short_code=70051", "exit code 8001", "statusCode: 8001", "Your verification code is 20003",
    "2026-11-28 20:10:01", "20101-01-01", "20101115", "2.0.20003", "v20003", "1.20003", "20003.50", "$20003",
    "pid 20001", "process[20003]: error", "2026-11-28 10:00:00.000 ERROR 20003 --- [main] c.e.Demo : started",
    "2026/11/28 10:00:00 [error] 8001#8001: *1 connect() failed", "sshd[20101]: Invalid user",
    "if (e.code === 20003) retry()", "if e.code == 20003:", "case 20003:", "took 8021 ms", "file.py:8001", "line 8001",
    "Content-Length: 20404", '{"count": 20001, "items": []}', "code 200034", "error 80012", "errors: 20003 rows",
    "20003%",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_CODES)
def test_a_number_that_only_looks_like_a_code_is_none(text):
    assert found(text) == []
    assert not any(word.startswith("Error ") for word in read_paste(text).unmapped)


def test_a_number_beside_a_real_error_stays_a_number():
    text = json.dumps({"id": 20003, "port": 8001, "code": 70151, "to": "+15557005120101"})
    assert [code for code, _ in found(text)] == [70151]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"code":70051,"message":"Authorization Error: actor doesn\'t have any assertions","status":401}',
            ["no permission here", "belongs to another account than the AccountSid of the call", "Five causes"],
        ),
        ("ConnectionError (31202): JWT signature validation failed", ["A restricted key cannot sign Access Tokens"]),
        ("20003: Policy evaluation failed", ["lacks a right", "Connecting it again changes nothing"]),
    ],
)
def test_a_paste_is_explained(text, words):
    reading = read_paste(text)
    assert reading.kind == "error"
    assert reading.suggestions == ()
    assert all(word in " ".join(reading.unmapped) for word in words)


def test_the_request_beside_an_error_is_read_too():
    text = (
        "HTTP Error Your request was:\n\nPOST https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json\n\n"
        f"Twilio returned the following information:\n\nUnable to create record: {ASSERTIONS}\n\n"
        "More information may be available here:\n\nhttps://www.twilio.com/docs/errors/70051\n"
    )
    reading = read_paste(text)
    assert [item.permission for item in reading.suggestions] == ["/twilio/messaging/messages/create"]
    assert len(reading.unmapped) == 1
    assert reading.unmapped[0].startswith("Error 70051: The key has no permission here")
    code = 'client.messages.create(to=to)  # fails with "20003: Policy evaluation failed"'
    assert [item.permission for item in read_paste(code).suggestions] == ["/twilio/messaging/messages/create"]


@pytest.mark.parametrize("shape", WITH_A_CODE.values(), ids=WITH_A_CODE)
@pytest.mark.parametrize(("code", "name", "status", "message"), SAMPLES)
def test_a_paste_of_each_speaks_from_the_table(code, name, status, message, shape):
    reading = read_paste(shape(code, status, message))
    (form,) = errors_in(shape(code, status, message))
    assert reading.kind == "error"
    if name not in ("permission_missing", "no_such_permission"):
        assert for_a_caller(form) in reading.unmapped
