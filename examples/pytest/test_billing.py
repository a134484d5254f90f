"""A service that reads orders and writes invoices, and a Kafka that has its worst day when a test says so."""
import json
import threading

import pytest
from confluent_kafka import Consumer, Producer


def bill(bootstrap, stopped):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "billing", "auto.offset.reset": "earliest", "auto.commit.interval.ms": 100,
    })
    producer = Producer({"bootstrap.servers": bootstrap})
    consumer.subscribe(["orders"])
    while not stopped.is_set():
        message = consumer.poll(0.1)
        if message is None or message.error():
            continue
        invoice = {"id": message.key().decode(), "due": json.loads(message.value())["total"] * 2}
        producer.produce("invoices", key=message.key(), value=json.dumps(invoice))
        producer.flush()
    consumer.close()


@pytest.fixture
def billing(kafka):
    stopped = threading.Event()
    service = threading.Thread(target=bill, args=(kafka.bootstrap, stopped))
    service.start()
    kafka.post("/groups/billing/ready")  # it has its partitions and fetches them: no sleep
    yield
    stopped.set()
    service.join()


def test_an_order_is_billed_once_also_when_a_leader_moves(kafka, billing):
    kafka.post("/faults", api="Produce", target={"topic": "invoices"}, times=1, actions=[{"type": "error", "error": "NOT_LEADER_OR_FOLLOWER"}])
    kafka.post("/topics/orders/records", records=[{"key": "o-1", "value": {"total": 6}}])

    kafka.expect("toHaveProduced", topic="invoices", record={"key": "o-1", "value": {"id": "o-1", "due": 12}})
    kafka.expect("toBeCaughtUp", group="billing")
    kafka.expect("toHaveProducedExactly", topic="invoices", records=1)
    kafka.post("/verify")  # the fault happened, and the service got over it


def test_the_next_test_begins_with_nothing(kafka, billing):
    kafka.expect("toHaveProducedExactly", topic="invoices", records=0)
    kafka.expect("toHaveReceivedRequest", api="Fetch", client={"pattern": "^rdkafka"})
