// The scenarios with confluent-kafka-go (librdkafka): confluent <bootstrap> <scenario>...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	. "commitlog/interop/scenario"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var ctx = context.Background()
var bootstrap = os.Args[1]
var admin *kafka.AdminClient

const patience = 30_000

func main() {
	admin = Must(kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": bootstrap}))
	defer admin.Close()
	Run(map[string]func(Say){
		"codecs": codecs, "idempotence": idempotence, "records": records, "transactions": transactions, "admin": administer,
		"group":          func(say Say) { grouped("classic").Group(say, "classic-group") },
		"consumer-group": func(say Say) { grouped("consumer").Group(say, "consumer-group") },
	})
}

func create(topic string, partitions int, configs map[string]string) error {
	made := kafka.TopicSpecification{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, Config: configs}
	return failure(Must(admin.CreateTopics(ctx, []kafka.TopicSpecification{made}))[0].Error)
}

func failure(err kafka.Error) error {
	if err.Code() == kafka.ErrNoError {
		return nil
	}
	return err
}

// code is the broker's code of an error; 0 when there is none.
func code(err error) int {
	var known kafka.Error
	if err != nil && !errors.As(err, &known) {
		panic(err)
	}
	return int(known.Code())
}

func producer(options kafka.ConfigMap) *kafka.Producer {
	options["bootstrap.servers"] = bootstrap
	return Must(kafka.NewProducer(&options))
}

// produce sends records, and gives the offset of the first one.
func produce(topic string, partition int32, records []Record, options kafka.ConfigMap) int64 {
	producer := producer(options)
	defer producer.Close()
	return send(producer, topic, partition, records)
}

func send(producer *kafka.Producer, topic string, partition int32, records []Record) int64 {
	reports := make(chan kafka.Event, len(records))
	for _, record := range records {
		message := &kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: partition}, Key: record.Key, Value: record.Value,
		}
		if record.Timestamp != 0 {
			message.Timestamp = time.UnixMilli(record.Timestamp)
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, kafka.Header{Key: header[0], Value: []byte(header[1])})
		}
		Check(producer.Produce(message, reports))
	}
	offsets := Each(len(records), func(int) int64 {
		delivered := (<-reports).(*kafka.Message).TopicPartition
		Check(delivered.Error)
		return int64(delivered.Offset)
	})
	return slices.Min(offsets)
}

func consumer(options kafka.ConfigMap) *kafka.Consumer {
	options["bootstrap.servers"] = bootstrap
	options["auto.offset.reset"] = "earliest"
	return Must(kafka.NewConsumer(&options))
}

// consumed are the first records of a topic, without a group.
func consumed(topic string, count int, isolation string) []Record {
	consumer := consumer(kafka.ConfigMap{"group.id": topic + "-reader", "isolation.level": isolation})
	defer consumer.Close()
	Check(consumer.Assign([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.OffsetBeginning}}))
	return Each(count, func(int) Record {
		message := Must(consumer.ReadMessage(patience * time.Millisecond))
		record := Record{
			Key: message.Key, Value: message.Value, Offset: int64(message.TopicPartition.Offset), Timestamp: message.Timestamp.UnixMilli(),
		}
		for _, header := range message.Headers {
			record.Headers = append(record.Headers, [2]string{header.Key, string(header.Value)})
		}
		return record
	})
}

func listed(topic string, spec kafka.OffsetSpec) int64 {
	partition := kafka.TopicPartition{Topic: &topic, Partition: 0}
	for _, found := range Must(admin.ListOffsets(ctx, map[kafka.TopicPartition]kafka.OffsetSpec{partition: spec})).ResultInfos {
		Check(failure(found.Error))
		return int64(found.Offset)
	}
	panic("no answer")
}

func groupOffsets(group string) []int64 {
	asked := []kafka.ConsumerGroupTopicPartitions{{Group: group}}
	found := Must(admin.ListConsumerGroupOffsets(ctx, asked)).ConsumerGroupsTopicPartitions[0].Partitions
	slices.SortFunc(found, func(one, other kafka.TopicPartition) int { return int(one.Partition - other.Partition) })
	return Each(len(found), func(i int) int64 { return int64(found[i].Offset) })
}

func codecs(say Say) {
	Check(create("codecs", 1, nil))
	for _, codec := range Codecs {
		options := kafka.ConfigMap{"compression.type": codec, "linger.ms": 100}
		say("produced", Details{"codec": codec, "offset": produce("codecs", 0, CodecRecords(codec), options)})
	}
	say("consumed", Details{"keys": Keys(consumed("codecs", 50, "read_uncommitted"))})
}

func idempotence(say Say) {
	Check(create("idempotence", 1, nil))
	numbers := Each(100, func(i int) Record { return Record{Value: []byte{byte(i)}} })
	produce("idempotence", 0, numbers, kafka.ConfigMap{"enable.idempotence": true, "batch.num.messages": 10})
	say.Range(consumed("idempotence", 100, "read_uncommitted"))
}

func records(say Say) {
	Check(create("records", 1, map[string]string{"retention.ms": "-1"}))
	produce("records", 0, OddRecords(), kafka.ConfigMap{})
	for _, record := range consumed("records", 4, "read_uncommitted") {
		say.Consumed(record)
	}
	for _, at := range []int64{T0 + 1500, T0 + 9000} {
		say.Found(at, listed("records", kafka.NewOffsetSpecForTimestamp(at)))
	}
	say("offsets", Details{"earliest": listed("records", kafka.EarliestOffsetSpec), "latest": listed("records", kafka.LatestOffsetSpec)})
}

func grouped(protocol string) Grouped {
	return Grouped{
		Create: func(topic string, partitions int) { Check(create(topic, partitions, nil)) },
		Send: func(topic string, partition int, values []string) {
			records := Each(len(values), func(i int) Record { return Record{Value: []byte(values[i])} })
			produce(topic, int32(partition), records, kafka.ConfigMap{})
		},
		Join:      func(group string, member *Member) { join(group, protocol, member) },
		Committed: groupOffsets,
		Describe: func(group string) (string, int) {
			described := Must(admin.DescribeConsumerGroups(ctx, []string{group})).ConsumerGroupDescriptions[0]
			return described.State.String(), len(described.Members)
		},
	}
}

func join(group, protocol string, member *Member) {
	options := kafka.ConfigMap{"group.id": group, "group.protocol": protocol, "auto.commit.interval.ms": 100}
	if protocol == "classic" {
		options["heartbeat.interval.ms"] = 200
	}
	consumer := consumer(options)
	Check(consumer.Subscribe(group, nil))
	leave, left := make(chan bool), make(chan bool)
	member.Leave = func() {
		close(leave)
		<-left
	}
	go func() {
		defer close(left)
		for {
			select {
			case <-leave:
				Check(consumer.Close())
				return
			default:
			}
			if message, ok := consumer.Poll(50).(*kafka.Message); ok && message.TopicPartition.Error == nil {
				member.Read(int(message.TopicPartition.Partition), int64(message.TopicPartition.Offset), message.Value)
			}
			assigned := Must(consumer.Assignment())
			member.Assign(Each(len(assigned), func(i int) int { return int(assigned[i].Partition) }))
		}
	}()
}

func transactions(say Say) {
	topic := "transactions"
	Check(create(topic, 1, nil))
	producer := producer(kafka.ConfigMap{"transactional.id": "tx"})
	defer producer.Close()
	Check(producer.InitTransactions(ctx))
	transaction := func(prefix string, count int, end func() error) {
		Check(producer.BeginTransaction())
		send(producer, topic, 0, Each(count, func(i int) Record { return Record{Value: fmt.Appendf(nil, "%s%d", prefix, i)} }))
		Check(end())
	}
	reader := consumer(kafka.ConfigMap{"group.id": "tx-group"})
	defer reader.Close()
	transaction("c", 5, func() error { return producer.CommitTransaction(ctx) })
	transaction("a", 5, func() error { return producer.AbortTransaction(ctx) })
	transaction("d", 3, func() error {
		offsets := []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 5}}
		Check(producer.SendOffsetsToTransaction(ctx, offsets, Must(reader.GetConsumerGroupMetadata())))
		return producer.CommitTransaction(ctx)
	})
	read := consumed(topic, 8, "read_committed")
	say("read committed", Details{"values": Values(read), "offsets": Offsets(read)})
	say("read uncommitted", Details{"values": Values(consumed(topic, 13, "read_uncommitted"))})
	say("group", Details{"offset": groupOffsets("tx-group")[0]})
}

func administer(say Say) {
	topic := "admin"
	resource := kafka.ConfigResource{Type: kafka.ResourceTopic, Name: topic}
	config := func(names ...string) map[string]string {
		described := Must(admin.DescribeConfigs(ctx, []kafka.ConfigResource{resource}))[0].Config
		entries := map[string]string{}
		for _, name := range names {
			entries[name] = described[name].Value
		}
		return entries
	}
	partitions := func() []kafka.PartitionMetadata { return Must(admin.GetMetadata(&topic, false, patience)).Topics[topic].Partitions }
	say("created", Details{"error": code(create(topic, 3, map[string]string{"cleanup.policy": "compact,delete"}))})
	say("created again", Details{"error": code(create(topic, 3, nil))})
	say("created with a bad name", Details{"error": code(create("no such/name", 1, nil))})
	say("described", Details{"partitions": len(partitions()), "replicas": len(partitions()[0].Replicas)})
	say("config", Details{"entries": config("cleanup.policy", "retention.ms")})
	change := resource
	hour := kafka.ConfigEntry{Name: "retention.ms", Value: "3600000", IncrementalOperation: kafka.AlterConfigOpTypeSet}
	change.Config = []kafka.ConfigEntry{hour}
	Check(failure(Must(admin.IncrementalAlterConfigs(ctx, []kafka.ConfigResource{change}))[0].Error))
	say("altered", Details{"entries": config("retention.ms")})
	produce(topic, 0, Each(3, func(int) Record { return Record{Key: []byte("k"), Value: []byte("v")} }), kafka.ConfigMap{})
	Must(admin.DeleteRecords(ctx, []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 2}}))
	say("records deleted", Details{"low": listed(topic, kafka.EarliestOffsetSpec), "high": listed(topic, kafka.LatestOffsetSpec)})
	more := []kafka.PartitionsSpecification{{Topic: topic, IncreaseTo: 5}}
	Check(failure(Must(admin.CreatePartitions(ctx, more))[0].Error))
	Eventually(func() bool { return len(partitions()) == 5 })
	say("more partitions", Details{"partitions": len(partitions())})
	remove := func() error { return failure(Must(admin.DeleteTopics(ctx, []string{topic}))[0].Error) }
	say("deleted", Details{"error": code(remove())})
	say("deleted again", Details{"error": code(remove())})
}
