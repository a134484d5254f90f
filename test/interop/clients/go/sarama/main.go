// The scenarios with IBM/sarama: sarama <bootstrap> <scenario>...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	. "commitlog/interop/scenario"

	"github.com/IBM/sarama"
)

var seeds = strings.Split(os.Args[1], ",")
var client sarama.Client
var admin sarama.ClusterAdmin

func main() {
	client = Must(sarama.NewClient(seeds, config()))
	admin = Must(sarama.NewClusterAdminFromClient(client))
	defer admin.Close()
	Run(map[string]func(Say){
		"codecs": codecs, "idempotence": idempotence, "records": records, "transactions": transactions, "admin": administer,
		"group": func(say Say) { grouped().Group(say, "classic-group") },
	})
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	return config
}

func create(topic string, partitions int32, configs map[string]*string) error {
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}, false)
}

// code is the broker's code of an error; 0 when there is none.
func code(err error) int {
	var known sarama.KError
	if err != nil && !errors.As(err, &known) {
		panic(err)
	}
	return int(known)
}

// produce sends records, and gives the offset of the first one.
func produce(topic string, partition int32, records []Record, change func(*sarama.Config)) int64 {
	options := config()
	change(options)
	producer := Must(sarama.NewSyncProducer(seeds, options))
	defer producer.Close()
	return send(producer, topic, partition, records)
}

func send(producer sarama.SyncProducer, topic string, partition int32, records []Record) int64 {
	messages := Each(len(records), func(i int) *sarama.ProducerMessage {
		record := records[i]
		message := &sarama.ProducerMessage{Topic: topic, Partition: partition}
		if record.Key != nil {
			message.Key = sarama.ByteEncoder(record.Key)
		}
		if record.Value != nil {
			message.Value = sarama.ByteEncoder(record.Value)
		}
		if record.Timestamp != 0 {
			message.Timestamp = time.UnixMilli(record.Timestamp)
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])})
		}
		return message
	})
	Check(producer.SendMessages(messages))
	return messages[0].Offset
}

func asItIs(*sarama.Config) {}

// consumed are the first records of a topic, without a group.
func consumed(topic string, count int, isolation sarama.IsolationLevel) []Record {
	options := config()
	options.Consumer.IsolationLevel = isolation
	consumer := Must(sarama.NewConsumer(seeds, options))
	defer consumer.Close()
	partition := Must(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer partition.Close()
	var records []Record
	for late := time.After(30 * time.Second); len(records) < count; {
		select {
		case message := <-partition.Messages():
			record := Record{Key: message.Key, Value: message.Value, Offset: message.Offset, Timestamp: message.Timestamp.UnixMilli()}
			for _, header := range message.Headers {
				record.Headers = append(record.Headers, [2]string{string(header.Key), string(header.Value)})
			}
			records = append(records, record)
		case <-late:
			panic(fmt.Sprint("waited 30 seconds for ", count, " records, got ", len(records)))
		}
	}
	return records
}

func codecs(say Say) {
	Check(create("codecs", 1, nil))
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4,
		"zstd": sarama.CompressionZSTD,
	}
	for _, codec := range Codecs {
		offset := produce("codecs", 0, CodecRecords(codec), func(config *sarama.Config) {
			config.Producer.Compression = codecs[codec]
			config.Producer.Flush.Messages = 10
		})
		say("produced", Details{"codec": codec, "offset": offset})
	}
	say("consumed", Details{"keys": Keys(consumed("codecs", 50, sarama.ReadUncommitted))})
}

func idempotent(config *sarama.Config) {
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
}

func idempotence(say Say) {
	Check(create("idempotence", 1, nil))
	numbers := Each(100, func(i int) Record { return Record{Value: []byte{byte(i)}} })
	produce("idempotence", 0, numbers, func(config *sarama.Config) {
		idempotent(config)
		config.Producer.Flush.MaxMessages = 10
	})
	say.Range(consumed("idempotence", 100, sarama.ReadUncommitted))
}

func records(say Say) {
	forever := "-1"
	Check(create("records", 1, map[string]*string{"retention.ms": &forever}))
	for _, record := range OddRecords() {
		produce("records", 0, []Record{record}, asItIs)
	}
	for _, record := range consumed("records", 4, sarama.ReadUncommitted) {
		say.Consumed(record)
	}
	for _, at := range []int64{T0 + 1500, T0 + 9000} {
		say.Found(at, Must(client.GetOffset("records", 0, at)))
	}
	earliest, latest := ends("records")
	say("offsets", Details{"earliest": earliest, "latest": latest})
}

func ends(topic string) (int64, int64) {
	return Must(client.GetOffset(topic, 0, sarama.OffsetOldest)), Must(client.GetOffset(topic, 0, sarama.OffsetNewest))
}

func grouped() Grouped {
	return Grouped{
		Create: func(topic string, partitions int) { Check(create(topic, int32(partitions), nil)) },
		Send: func(topic string, partition int, values []string) {
			produce(topic, int32(partition), Each(len(values), func(i int) Record { return Record{Value: []byte(values[i])} }), asItIs)
		},
		Join: func(group string, member *Member) {
			joined := Must(sarama.NewConsumerGroup(seeds, group, config()))
			member.Leave = func() { Check(joined.Close()) }
			go func() {
				for joined.Consume(context.Background(), []string{group}, handler{group, member}) == nil {
				}
			}()
		},
		Committed: func(group string) []int64 {
			found := Must(admin.ListConsumerGroupOffsets(group, map[string][]int32{group: {0, 1, 2, 3}}))
			return Each(4, func(i int) int64 { return found.GetBlock(group, int32(i)).Offset })
		},
		Describe: func(group string) (string, int) {
			described := Must(admin.DescribeConsumerGroups([]string{group}))[0]
			return described.State, len(described.Members)
		},
	}
}

// handler is called with what a member of a group is given.
type handler struct {
	topic  string
	member *Member
}

func (handler handler) Setup(session sarama.ConsumerGroupSession) error {
	claims := session.Claims()[handler.topic]
	handler.member.Assign(Each(len(claims), func(i int) int { return int(claims[i]) }))
	return nil
}

func (handler handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (handler handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		handler.member.Read(int(message.Partition), message.Offset, message.Value)
		session.MarkMessage(message, "")
	}
	return nil
}

func transactions(say Say) {
	topic := "transactions"
	Check(create(topic, 1, nil))
	options := config()
	idempotent(options)
	options.Producer.Transaction.ID = "tx"
	producer := Must(sarama.NewSyncProducer(seeds, options))
	defer producer.Close()
	transaction := func(prefix string, count int, end func() error) {
		Check(producer.BeginTxn())
		send(producer, topic, 0, Each(count, func(i int) Record { return Record{Value: fmt.Appendf(nil, "%s%d", prefix, i)} }))
		Check(end())
	}
	transaction("c", 5, producer.CommitTxn)
	transaction("a", 5, producer.AbortTxn)
	transaction("d", 3, func() error {
		offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: 5, LeaderEpoch: -1}}}
		Check(producer.AddOffsetsToTxn(offsets, "tx-group"))
		return producer.CommitTxn()
	})
	read := consumed(topic, 8, sarama.ReadCommitted)
	say("read committed", Details{"values": Values(read), "offsets": Offsets(read)})
	say("read uncommitted", Details{"values": Values(consumed(topic, 13, sarama.ReadUncommitted))})
	found := Must(admin.ListConsumerGroupOffsets("tx-group", map[string][]int32{topic: {0}}))
	say("group", Details{"offset": found.GetBlock(topic, 0).Offset})
}

func administer(say Say) {
	topic := "admin"
	config := func(names ...string) map[string]string {
		entries := map[string]string{}
		for _, entry := range Must(admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: names})) {
			entries[entry.Name] = entry.Value
		}
		return entries
	}
	partitions := func() []*sarama.PartitionMetadata { return Must(admin.DescribeTopics([]string{topic}))[0].Partitions }
	policy, hour := "compact,delete", "3600000"
	say("created", Details{"error": code(create(topic, 3, map[string]*string{"cleanup.policy": &policy}))})
	say("created again", Details{"error": code(create(topic, 3, nil))})
	say("created with a bad name", Details{"error": code(create("no such/name", 1, nil))})
	say("described", Details{"partitions": len(partitions()), "replicas": len(partitions()[0].Replicas)})
	say("config", Details{"entries": config("cleanup.policy", "retention.ms")})
	change := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &hour}}
	Check(admin.IncrementalAlterConfig(sarama.TopicResource, topic, change, false))
	say("altered", Details{"entries": config("retention.ms")})
	produce(topic, 0, Each(3, func(int) Record { return Record{Key: []byte("k"), Value: []byte("v")} }), asItIs)
	Check(admin.DeleteRecords(topic, map[int32]int64{0: 2}))
	low, high := ends(topic)
	say("records deleted", Details{"low": low, "high": high})
	Check(admin.CreatePartitions(topic, 5, nil, false))
	Eventually(func() bool { return len(partitions()) == 5 })
	say("more partitions", Details{"partitions": len(partitions())})
	say("deleted", Details{"error": code(admin.DeleteTopic(topic))})
	say("deleted again", Details{"error": code(admin.DeleteTopic(topic))})
}
