"""Who a client is and what it may do, with confluent-kafka (librdkafka): python security.py <file of cases>"""
import json
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer

with open(sys.argv[1]) as file:
    GIVEN = json.load(file)


def settings(case):
    protocol = ("SASL_" if case.get("mechanism") else "") + ("SSL" if case.get("tls") else "PLAINTEXT")
    config = {"bootstrap.servers": case["bootstrap"], "security.protocol": protocol}
    if case.get("tls"):
        config["ssl.ca.pem"] = GIVEN["ca"]
    if case.get("certificate"):
        config.update({"ssl.certificate.pem": GIVEN["cert"], "ssl.key.pem": GIVEN["key"]})
    if case.get("mechanism"):
        config["sasl.mechanism"] = case["mechanism"]
    if case.get("mechanism") == "OAUTHBEARER":
        config["oauth_cb"] = lambda _config: (GIVEN["token"], time.time() + 600)
    elif case.get("mechanism"):
        config.update({"sasl.username": case["username"], "sasl.password": case["password"]})
    return config


def produced(sender, topic, value, complaints):
    """The code of the error of a delivery; 0 when there is none, None when none came."""
    codes = []
    sender.produce(topic, value, on_delivery=lambda error, _message: codes.append(error.code() if error else 0))
    end = time.time() + 20
    while not codes and not complaints and time.time() < end:
        sender.poll(0.1)
    return codes[0] if codes else None


def tried(case, topic):
    complaints = []
    config = {**settings(case), "error_cb": lambda error: complaints.append(error.str())}
    sender = Producer(config)
    if produced(sender, topic, topic, complaints) != 0:
        sender.purge()
        return {"failed": " ".join(complaints)}
    reader = Consumer({**config, "group.id": topic, "auto.offset.reset": "earliest"})
    reader.subscribe([topic])
    message = None
    while message is None or message.error():
        message = reader.poll(1)
    reader.close()
    return {"read": message.value().decode(), "denied": produced(sender, "closed", "x", [])}


for each in GIVEN["cases"]:
    print(json.dumps({"name": each["name"], **tried(each, "open-confluent-" + each["name"])}), flush=True)
