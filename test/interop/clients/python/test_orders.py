"""Tests against a Kafka of their own: `commitlog serve` in a temporary folder."""
import json
import subprocess

import pytest
from confluent_kafka import Consumer, Producer


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory):
    command = ["node_modules/.bin/commitlog", "serve", str(tmp_path_factory.mktemp("kafka")), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        yield json.loads(server.stdout.readline())["bootstrap"]
        server.terminate()


def test_an_order_arrives(bootstrap):
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("orders", key="ada", value=b"12")
    producer.flush()

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "billing", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    message = consumer.poll(10)
    assert (message.key(), message.value(), message.offset()) == (b"ada", b"12", 0)
    consumer.close()
