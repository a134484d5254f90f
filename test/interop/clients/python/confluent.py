"""The scenarios with confluent-kafka (librdkafka): python confluent.py <bootstrap> <scenario>..."""
import sys

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka import OFFSET_BEGINNING
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec,
                                   ResourceType)

from scenario import CODECS, LARGE, T0, codec_value, eventually, run, shown

BOOTSTRAP = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(BOOTSTRAP)


def create(topic, partitions=1, configs={}):
    admin.create_topics([NewTopic(topic, partitions, 1, config=configs)])[topic].result(30)


def error_of(call):
    """The broker's code of what a call raised; 0 when it did not."""
    try:
        call()
        return 0
    except KafkaException as error:
        return error.args[0].code()


def produce(topic, messages, **options):
    """Sends records; the offset of the first one."""
    sender = Producer({**BOOTSTRAP, **options})
    offsets = []
    def delivered(error, message):
        if error is not None:
            raise KafkaException(error)
        offsets.append(message.offset())
    for message in messages:
        sender.produce(topic, on_delivery=delivered, **message)
    sender.flush(30)
    return offsets[0]


def consumed(topic, count, **options):
    """The first records of a topic, without a group."""
    consumer = Consumer({**BOOTSTRAP, "group.id": f"{topic}-reader", "isolation.level": "read_uncommitted", **options})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    records = []
    def read():
        message = consumer.poll(0.2)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            records.append(message)
        return len(records) >= count
    eventually(read)
    consumer.close()
    return records


def listed(topic, spec):
    partition = TopicPartition(topic, 0)
    return admin.list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)[partition].result(30).offset


def group_offsets(name):
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)])[name].result(30)
    return [partition.offset for partition in sorted(found.topic_partitions, key=lambda one: one.partition)]


def codecs(say):
    create("codecs")
    for codec in CODECS:
        messages = [{"key": f"{codec}-{i}", "value": codec_value(codec, i)} for i in range(10)]
        say("produced", codec=codec, offset=produce("codecs", messages, **{"compression.type": codec, "linger.ms": 100}))
    say("consumed", keys=[record.key().decode() for record in consumed("codecs", 50)])


def idempotence(say):
    create("idempotence")
    produce("idempotence", [{"value": str(i)} for i in range(100)], **{"enable.idempotence": True, "batch.num.messages": 10})
    records = consumed("idempotence", 100)
    say("consumed", first=records[0].offset(), last=records[-1].offset(), distinct=len({record.value() for record in records}))


def records(say):
    create("records", 1, {"retention.ms": "-1"})
    messages = [
        {"key": "large", "value": LARGE},
        {"key": "gone", "value": None},
        {"key": "headers", "value": "h", "headers": [("trace", b"1"), ("trace", b"2"), ("empty", b"")]},
        {"key": None, "value": "no key"},
    ]
    produce("records", [{**message, "timestamp": T0 + i * 1000} for i, message in enumerate(messages)])
    for record in consumed("records", 4):
        headers = [[name, value.decode()] for name, value in record.headers() or []]
        say("consumed", offset=record.offset(), timestamp=record.timestamp()[1], key=shown(record.key()), value=shown(record.value()),
            headers=headers)
    for time in [T0 + 1500, T0 + 9000]:
        offset = listed("records", OffsetSpec.for_timestamp(time))
        say("offset for time", time=time, offset=None if offset == -1 else offset)
    say("offsets", earliest=listed("records", OffsetSpec.earliest()), latest=listed("records", OffsetSpec.latest()))


def grouped(protocol):
    def scenario(say):
        topic = f"{protocol}-group"
        create(topic, 4)
        seen = []
        members = []

        def send(start):
            produce(topic, [{"partition": i % 4, "value": str(start + i)} for i in range(40)])

        def join():
            timing = {"heartbeat.interval.ms": 200} if protocol == "classic" else {"group.protocol": "consumer"}
            member = Consumer({**BOOTSTRAP, "group.id": topic, "auto.offset.reset": "earliest", "auto.commit.interval.ms": 100, **timing})
            member.subscribe([topic])
            members.append(member)
            return member

        def assigned(member):
            return sorted(partition.partition for partition in member.assignment())

        def until(holds):
            """The members read while they wait."""
            def step():
                for member in members:
                    for message in member.consume(100, 0.05):
                        if message.error() is None:
                            seen.append((message.partition(), message.offset(), message.value()))
                return holds()
            eventually(step)

        def read(by, count):
            until(lambda: len(seen) >= count)
            say("consumed", by=by, count=len(seen), distinct=len(set(seen)))

        def committed(expected):
            until(lambda: group_offsets(topic) == [expected] * 4)
            say("committed", offsets=group_offsets(topic))

        send(0)
        first = join()
        until(lambda: len(assigned(first)) == 4)
        say("alone", assigned=assigned(first))
        read("first", 40)
        committed(10)
        second = join()
        until(lambda: len(assigned(first)) == 2 and len(assigned(second)) == 2)
        say("together", sizes=[len(assigned(first)), len(assigned(second))], assigned=sorted(assigned(first) + assigned(second)))
        described = admin.describe_consumer_groups([topic])[topic].result(30)
        say("described", state=described.state.name.lower(), members=len(described.members))
        send(40)
        read("both", 80)
        committed(20)
        members.remove(second)
        second.close()
        until(lambda: len(assigned(first)) == 4)
        say("alone", assigned=assigned(first))
        first.close()
    return scenario


def transactions(say):
    topic = "transactions"
    create(topic)
    sender = Producer({**BOOTSTRAP, "transactional.id": "tx"})
    sender.init_transactions(30)
    reader = Consumer({**BOOTSTRAP, "group.id": "tx-group"})

    def transaction(prefix, count, end):
        sender.begin_transaction()
        for i in range(count):
            sender.produce(topic, value=f"{prefix}{i}")
        end()

    def abort():
        sender.flush(30)
        sender.abort_transaction(30)

    def with_offset():
        sender.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], reader.consumer_group_metadata(), 30)
        sender.commit_transaction(30)

    transaction("c", 5, lambda: sender.commit_transaction(30))
    transaction("a", 5, abort)
    transaction("d", 3, with_offset)
    read = consumed(topic, 8, **{"isolation.level": "read_committed"})
    say("read committed", values=[record.value().decode() for record in read], offsets=[record.offset() for record in read])
    say("read uncommitted", values=[record.value().decode() for record in consumed(topic, 13)])
    say("group", offset=group_offsets("tx-group")[0])
    reader.close()


def admin_scenario(say):
    topic = "admin"

    def config(*names):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        described = admin.describe_configs([resource])[resource].result(30)
        return {name: described[name].value for name in names}

    def partitions():
        return admin.list_topics(topic, 30).topics[topic].partitions

    say("created", error=error_of(lambda: create(topic, 3, {"cleanup.policy": "compact,delete"})))
    say("created again", error=error_of(lambda: create(topic, 3)))
    say("created with a bad name", error=error_of(lambda: create("no such/name")))
    say("described", partitions=len(partitions()), replicas=len(partitions()[0].replicas))
    say("config", entries=config("cleanup.policy", "retention.ms"))
    change = ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)
    for future in admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])]).values():
        future.result(30)
    say("altered", entries=config("retention.ms"))
    produce(topic, [{"partition": 0, "key": "k", "value": "v"}] * 3)
    for future in admin.delete_records([TopicPartition(topic, 0, 2)]).values():
        future.result(30)
    say("records deleted", low=listed(topic, OffsetSpec.earliest()), high=listed(topic, OffsetSpec.latest()))
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(30)
    eventually(lambda: len(partitions()) == 5)
    say("more partitions", partitions=len(partitions()))
    say("deleted", error=error_of(lambda: admin.delete_topics([topic])[topic].result(30)))
    say("deleted again", error=error_of(lambda: admin.delete_topics([topic])[topic].result(30)))


run({
    "codecs": codecs, "idempotence": idempotence, "records": records, "group": grouped("classic"), "consumer-group": grouped("consumer"),
    "transactions": transactions, "admin": admin_scenario,
})
