"""A service of confluent-kafka for Python: it reads orders and writes invoices."""
import json
import os
import signal

from confluent_kafka import Consumer, Producer

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = Producer({"bootstrap.servers": servers, "client.id": "billing", "enable.idempotence": True, "retry.backoff.ms": 50})
consumer = Consumer({
    "bootstrap.servers": servers, "client.id": "billing", "group.id": "billing", "auto.offset.reset": "earliest", "enable.auto.commit": False,
    "fetch.wait.max.ms": 100,
})
consumer.subscribe(["orders"])
running = True


def stop(*_):
    global running
    running = False


signal.signal(signal.SIGTERM, stop)
while running:
    message = consumer.poll(0.1)
    if message is None or message.error():
        continue
    order = json.loads(message.value())
    producer.produce("invoices", key=order["id"], value=json.dumps({"id": order["id"], "due": order["total"] * 1.2}))
    producer.flush()
    consumer.commit(message, asynchronous=False)
consumer.close()
