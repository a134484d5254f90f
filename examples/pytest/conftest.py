"""A Kafka under control: `commitlog serve --test`, started once, and reset behind each test."""
import http.client
import json
import subprocess
from urllib.parse import urlsplit

import pytest

COMMAND = ["node_modules/.bin/commitlog", "serve", "--test", "--json", "--until-stdin-ends", "--topic", "orders:3", "--topic", "invoices"]


class Kafka:
    """What can be asked is in GET /openapi.json, and in docs/sidecar.md."""

    def __init__(self, listening):
        self.bootstrap = listening["bootstrap"]
        self.control = urlsplit(listening["control"]).netloc

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.control)
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read() or "null")
        assert response.status < 300, answer["detail"]
        return answer

    def post(self, path, **body):
        return self.ask("POST", path, body)

    def expect(self, matcher, **what):
        result = self.post("/expect", matcher=matcher, **what)
        assert result["pass"], result["message"]


@pytest.fixture(scope="session")
def server():
    # It ends with its stdin, and so with this process, however that ends.
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Kafka(json.loads(process.stdout.readline()))
        process.stdin.close()


@pytest.fixture
def kafka(server):
    yield server
    server.post("/reset")  # and fails the test for faults that never happened
