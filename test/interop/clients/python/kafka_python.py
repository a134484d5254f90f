"""The scenarios with kafka-python: python kafka_python.py <bootstrap> <scenario>..."""
import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from scenario import CODECS, LARGE, T0, codec_value, eventually, run, shown

BOOTSTRAP = sys.argv[1].split(",")
admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def create(topic, partitions=1, configs={}):
    return admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}})


def error_of(call):
    """The broker's code of what a call raised; 0 when it did not."""
    try:
        call()
        return 0
    except KafkaError as error:
        return error.errno


def producer(**options):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, **options)


def consumed(topic, count, **options):
    """The first records of a topic, without a group."""
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", **options)
    consumer.assign([TopicPartition(topic, 0)])
    records = []
    def read():
        for batch in consumer.poll(timeout_ms=200).values():
            records.extend(batch)
        return len(records) >= count
    eventually(read)
    consumer.close()
    return records


def codecs(say):
    create("codecs")
    for codec in CODECS:
        sender = producer(compression_type=None if codec == "none" else codec, linger_ms=100)
        sent = [sender.send("codecs", key=f"{codec}-{i}".encode(), value=codec_value(codec, i)) for i in range(10)]
        sender.flush()
        say("produced", codec=codec, offset=sent[0].get(10).offset)
        sender.close()
    say("consumed", keys=[record.key.decode() for record in consumed("codecs", 50)])


def idempotence(say):
    create("idempotence")
    sender = producer(enable_idempotence=True, batch_size=100)
    for i in range(100):
        sender.send("idempotence", value=str(i).encode())
    sender.close()
    records = consumed("idempotence", 100)
    say("consumed", first=records[0].offset, last=records[-1].offset, distinct=len({record.value for record in records}))


def records(say):
    create("records", 1, {"retention.ms": "-1"})
    sender = producer()
    messages = [
        {"key": b"large", "value": LARGE},
        {"key": b"gone", "value": None},
        {"key": b"headers", "value": b"h", "headers": [("trace", b"1"), ("trace", b"2"), ("empty", b"")]},
        {"key": None, "value": b"no key"},
    ]
    for i, message in enumerate(messages):
        sender.send("records", timestamp_ms=T0 + i * 1000, **message).get(10)
    sender.close()
    for record in consumed("records", 4):
        headers = [[name, value.decode()] for name, value in record.headers]
        say("consumed", offset=record.offset, timestamp=record.timestamp, key=shown(record.key), value=shown(record.value), headers=headers)
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    partition = TopicPartition("records", 0)
    for time in [T0 + 1500, T0 + 9000]:
        found = consumer.offsets_for_times({partition: time})[partition]
        say("offset for time", time=time, offset=None if found is None else found.offset)
    say("offsets", earliest=consumer.beginning_offsets([partition])[partition], latest=consumer.end_offsets([partition])[partition])
    consumer.close()


def group(say):
    topic = "group"
    create(topic, 4)
    seen = []
    members = []

    def produce(start):
        sender = producer()
        for i in range(40):
            sender.send(topic, partition=i % 4, value=str(start + i).encode())
        sender.close()

    def join():
        member = KafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, group_id=topic, auto_offset_reset="earliest",
                               auto_commit_interval_ms=100, heartbeat_interval_ms=200)
        members.append(member)
        return member

    def assigned(member):
        return sorted(partition.partition for partition in member.assignment())

    def until(holds):
        """The members read while they wait. In much less time than this kafka-python does not get to the metadata of its topics."""
        def step():
            for member in members:
                for batch in member.poll(timeout_ms=300).values():
                    seen.extend((record.partition, record.offset, record.value) for record in batch)
            return holds()
        eventually(step)

    def read(by, count):
        until(lambda: len(seen) >= count)
        say("consumed", by=by, count=len(seen), distinct=len(set(seen)))

    def committed(expected):
        offsets = []
        def step():
            found = admin.list_group_offsets({topic: None})[topic]
            offsets[:] = [found[partition].offset for partition in sorted(found)]
            return offsets == [expected] * 4
        until(step)
        say("committed", offsets=offsets)

    produce(0)
    first = join()
    until(lambda: len(assigned(first)) == 4)
    say("alone", assigned=assigned(first))
    read("first", 40)
    committed(10)
    second = join()
    until(lambda: len(assigned(first)) == 2 and len(assigned(second)) == 2)
    say("together", sizes=[len(assigned(first)), len(assigned(second))], assigned=sorted(assigned(first) + assigned(second)))
    described = admin.describe_groups([topic])[topic]
    say("described", state=described["group_state"].lower(), members=len(described["members"]))
    produce(40)
    read("both", 80)
    committed(20)
    members.remove(second)
    second.close()
    until(lambda: len(assigned(first)) == 4)
    say("alone", assigned=assigned(first))
    first.close()


def transactions(say):
    topic = "transactions"
    create(topic)
    sender = producer(transactional_id="tx")
    sender.init_transactions()

    def transaction(prefix, count, end):
        sender.begin_transaction()
        for i in range(count):
            sender.send(topic, value=f"{prefix}{i}".encode())
        end()

    def with_offset():
        sender.send_offsets_to_transaction({TopicPartition(topic, 0): OffsetAndMetadata(5, "", -1)}, "tx-group")
        sender.commit_transaction()

    transaction("c", 5, sender.commit_transaction)
    transaction("a", 5, lambda: (sender.flush(), sender.abort_transaction()))
    transaction("d", 3, with_offset)
    sender.close()
    read = consumed(topic, 8, isolation_level="read_committed")
    say("read committed", values=[record.value.decode() for record in read], offsets=[record.offset for record in read])
    say("read uncommitted", values=[record.value.decode() for record in consumed(topic, 13)])
    say("group", offset=admin.list_group_offsets({"tx-group": None})["tx-group"][TopicPartition(topic, 0)].offset)


def admin_scenario(say):
    topic = "admin"
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)

    def config(*names):
        described = admin.describe_configs([resource], config_filter="all")["topic"][topic]
        return {name: described[name]["value"] for name in names}

    def partitions():
        return admin.describe_topics([topic])[0]["partitions"]

    say("created", error=error_of(lambda: create(topic, 3, {"cleanup.policy": "compact,delete"})))
    say("created again", error=error_of(lambda: create(topic, 3)))
    say("created with a bad name", error=error_of(lambda: create("no such/name")))
    say("described", partitions=len(partitions()), replicas=len(partitions()[0]["replica_nodes"]))
    say("config", entries=config("cleanup.policy", "retention.ms"))
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "3600000"})])
    say("altered", entries=config("retention.ms"))
    sender = producer()
    for _ in range(3):
        sender.send(topic, partition=0, key=b"k", value=b"v")
    sender.close()
    partition = TopicPartition(topic, 0)
    admin.delete_records({partition: 2})
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    say("records deleted", low=consumer.beginning_offsets([partition])[partition], high=consumer.end_offsets([partition])[partition])
    consumer.close()
    admin.create_partitions({topic: 5})
    eventually(lambda: len(partitions()) == 5)
    say("more partitions", partitions=len(partitions()))
    say("deleted", error=error_of(lambda: admin.delete_topics([topic])))
    say("deleted again", error=error_of(lambda: admin.delete_topics([topic])))


run({"codecs": codecs, "idempotence": idempotence, "records": records, "group": group, "transactions": transactions, "admin": admin_scenario})
admin.close()
