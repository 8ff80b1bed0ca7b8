"""What the description in `openapi.yaml` says of a call of Twilio's Key resource and of its answer."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema_rs
import schemathesis

DESCRIPTION: dict[str, Any] = schemathesis.openapi.from_path(Path(__file__).with_name("openapi.yaml")).raw_schema
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True)
class Exchange:
    """One request, and the answer to it. The credential isn't kept, and what has a secret isn't shown."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str] | None
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Contract:
    """Holds exchanges to a description. Raises `AssertionError` that says what is not as described."""

    def __init__(self, description: dict[str, Any] = DESCRIPTION) -> None:
        self._description = description
        self.seen: set[tuple[str, int]] = set()

    @cached_property
    def statuses(self) -> set[tuple[str, int]]:
        """Every operation with every status that it is described with."""
        operations = [
            one for path in self._description["paths"].values() for one in path.values() if "responses" in one
        ]
        return {(one["operationId"], int(status)) for one in operations for status in one["responses"]}

    def check_request(self, exchange: Exchange) -> None:
        """Hold a request to what is described: its place, its parameters and its form, with nothing besides."""
        operation = self._operation(exchange)
        known = {one["name"]: one for one in operation.get("parameters", ())}
        assert exchange.query.keys() <= known.keys(), f"undescribed parameters: {exchange.query.keys() - known.keys()}"
        for name, one in known.items():
            assert name in exchange.query or not one.get("required"), f"{name} is missing"
            if name in exchange.query:
                whole = one["schema"].get("type") == "integer"
                self._hold(one["schema"], int(exchange.query[name]) if whole else exchange.query[name], name)
        body = operation.get("requestBody")
        assert (exchange.form is None) is (body is None), "a form where none is described, or none where one is"
        if body is not None:
            self._hold(body["content"][FORM]["schema"], dict(exchange.form or {}), "form")

    def check_answer(self, exchange: Exchange) -> None:
        """Hold an answer to what is described for its status: headers and body."""
        operation = self._operation(exchange)
        described = operation["responses"].get(str(exchange.status))
        assert described is not None, f"{exchange.status} is not described for {operation['operationId']}"
        self.seen.add((operation["operationId"], exchange.status))
        headers = {name.lower(): value for name, value in exchange.headers.items()}
        for name, one in described["headers"].items():
            assert name.lower() in headers or not one.get("required"), f"the header {name} is missing"
            if name.lower() in headers:
                self._hold(one["schema"], headers[name.lower()], name)
        if "content" not in described:
            assert exchange.body == b"", "a body where none is described"
            return
        assert headers["content-type"] == JSON
        self._hold(described["content"][JSON]["schema"], json.loads(exchange.body), "body")

    def _operation(self, exchange: Exchange) -> dict[str, Any]:
        for template, path in self._description["paths"].items():
            start, _, parameter = template.partition("{")
            fits = exchange.path.startswith(start) if parameter else exchange.path == start
            if fits and exchange.method.lower() in path:
                for one in path.get("parameters", ()):
                    if exchange.status != 400:
                        self._hold(one["schema"], exchange.path.removeprefix(start), one["name"])
                operation: dict[str, Any] = path[exchange.method.lower()]
                return operation
        raise AssertionError(f"{exchange.method} {exchange.path} is not described")

    def _hold(self, schema: dict[str, Any], value: object, what: str) -> None:
        whole = {**schema, "components": self._description["components"]}
        problem = next(jsonschema_rs.validator_for(whole).iter_errors(value), None)
        if problem is not None:  # without the value, which may be a secret
            place = "/".join(str(step) for step in problem.instance_path)
            raise AssertionError(f"{what} {place} is not as described: {problem.kind.name}")


@contextmanager
def recording(base_url: str) -> Iterator[tuple[str, list[Exchange]]]:
    """Pass requests on to the simulator and its answers back. Yield the address to use, and what went through."""
    seen: list[Exchange] = []
    simulator = urlsplit(base_url)

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = http.client.HTTPConnection(simulator.hostname or "", simulator.port, timeout=10)
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            there = urlsplit(self.path)
            form = dict(parse_qsl(body.decode(), keep_blank_values=True)) if body else None
            seen.append(
                Exchange(
                    self.command, there.path, dict(parse_qsl(there.query)), form, answer.status,
                    dict(answer.getheaders()), content,
                )
            )  # fmt: skip
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_OPTIONS = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
