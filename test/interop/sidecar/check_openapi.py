"""Holds a description against OpenAPI 3.1, and what was asked and answered against the description, by libraries that know nothing of ours.

usage: check_openapi.py <control> ; prints what it did as JSON
"""
import http.client
import json
import re
import sys
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

control = urlsplit(sys.argv[1]).netloc


def ask(method, path, body=None):
    connection = http.client.HTTPConnection(control)
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    kind = (response.headers["Content-Type"] or "").split(";")[0]
    return response.status, kind, json.loads(content) if kind.endswith("json") else content


description = ask("GET", "/openapi.json")[2]
OpenAPIV31SpecValidator(description).validate()


def is_valid(schema, value):
    return Draft202012Validator({**schema, "components": description["components"]}).is_valid(value)


def operation_of(method, path):
    for template, operations in description["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path.split("?")[0]) and method.lower() in operations:
            return operations[method.lower()]
    raise KeyError(path)


def held(method, path, body=None):
    """Asks. Fields are complained of just when what is asked is not as the description says; what is answered always is."""
    status, kind, answer = ask(method, path, body)
    operation = operation_of(method, path)
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = description["components"]["responses"][response["$ref"].split("/")[-1]]
    if body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        complaint = status == 400 and "errors" in answer
        assert is_valid(schema, body) != complaint, (path, body, answer)
    if "content" in response:
        assert kind in response["content"], (path, kind)
        if kind.endswith("json"):
            assert is_valid(response["content"][kind]["schema"], answer), (path, answer)
    else:
        assert answer == b"", (path, answer)
    return status


produce = {"api": "Produce", "actions": [{"type": "error", "error": "NOT_LEADER_OR_FOLLOWER"}]}
asked = [
    held("POST", "/topics", {"name": "orders", "partitions": 2, "config": {"retention.ms": -1}}),
    held("POST", "/topics", {"name": "orders"}),
    held("POST", "/topics", {"name": ""}),
    held("POST", "/topics", {"name": "other", "partitions": "2"}),
    held("POST", "/topics/orders/records", {"records": [{"key": "a", "value": {"n": 1}, "headers": {"h": None}}, {"valueBase64": "AAE="}]}),
    held("POST", "/topics/orders/records", {"records": [{"valueBase64": "A", "value": 1}]}),
    held("GET", "/topics/orders/records?limit=1"),
    held("POST", "/topics/orders/next", {"timeout": "1s"}),
    held("POST", "/topics/orders/wait-for", {"record": {"key": "nobody"}, "timeout": 0}),
    held("POST", "/topics/orders/next", {"timeout": "1 second"}),
    held("POST", "/groups/billing/ready", {"timeout": 1, "assigned": ["orders"]}),
    held("POST", "/groups/billing/ready", {"assigned": "some"}),
    held("GET", "/groups/billing"),
    held("POST", "/faults", {**produce, "target": {"client": {"pattern": "^a"}}, "probability": 0.5}),
    held("POST", "/faults", {"api": "*", "actions": [{"type": "delay", "ms": "2s", "when": "after-apply"}, {"type": "duplicate"}], "optional": True}),
    held("POST", "/faults", {**produce, "actions": [{"type": "error"}]}),
    held("POST", "/faults", {**produce, "probability": 2}),
    held("GET", "/faults"),
    held("POST", "/verify"),
    held("POST", "/expect", {"matcher": "toHaveProduced", "topic": "orders", "record": {"value": {"n": {"$gte": 1}}}}),
    held("POST", "/expect", {"matcher": "toHaveProduced", "topic": "orders"}),
    held("POST", "/contracts", {"topic": "orders", "value": {"type": "object"}}),
    held("POST", "/checkpoints"),
    held("POST", "/forks", {"from": "1"}),
    held("GET", "/forks"),
    held("GET", "/clock"),
    held("GET", "/journal"),
    held("GET", "/journal/timeline"),
    held("GET", "/journal/pcap"),
    held("GET", "/strict"),
    held("POST", "/reset", {"verify": False}),
]
print(json.dumps({"version": description["openapi"], "statuses": asked}))
