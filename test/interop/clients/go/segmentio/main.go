// The scenarios with segmentio/kafka-go: segmentio <bootstrap> <scenario>...
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	. "commitlog/interop/scenario"

	"github.com/segmentio/kafka-go"
)

var ctx = context.Background()
var seeds = strings.Split(os.Args[1], ",")
var client = &kafka.Client{Addr: kafka.TCP(seeds...), Timeout: 30 * time.Second}

func main() {
	Run(map[string]func(Say){
		"codecs": codecs, "records": records, "admin": administer,
		"group": func(say Say) { grouped().Group(say, "classic-group") },
	})
}

func create(topic string, partitions int, configs ...kafka.ConfigEntry) error {
	made := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}
	return Must(client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{made}})).Errors[topic]
}

// code is the broker's code of an error; 0 when there is none.
func code(err error) int {
	var known kafka.Error
	if err != nil && !errors.As(err, &known) {
		panic(err)
	}
	return int(known)
}

// produce sends records as one batch, and gives the offset of the first one.
func produce(topic string, partition int, codec kafka.Compression, records []Record) int64 {
	batch := Each(len(records), func(i int) kafka.Record {
		record := kafka.Record{Key: kafka.NewBytes(records[i].Key), Value: kafka.NewBytes(records[i].Value)}
		if at := records[i].Timestamp; at != 0 {
			record.Time = time.UnixMilli(at)
		}
		for _, header := range records[i].Headers {
			record.Headers = append(record.Headers, kafka.Header{Key: header[0], Value: []byte(header[1])})
		}
		return record
	})
	var sent *kafka.ProduceResponse
	// A broker may need a moment until it leads a new topic; this client leaves it to its user to try again.
	Eventually(func() bool {
		sent = Must(client.Produce(ctx, &kafka.ProduceRequest{
			Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Compression: codec, Records: kafka.NewRecordReader(batch...),
		}))
		return !errors.Is(sent.Error, kafka.NotLeaderForPartition)
	})
	Check(sent.Error)
	return sent.BaseOffset
}

// consumed are the first records of a topic, without a group.
func consumed(topic string, count int) []Record {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: seeds, Topic: topic, MaxBytes: 10 << 20, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	limit, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return Each(count, func(int) Record {
		message := Must(reader.ReadMessage(limit))
		record := Record{Key: message.Key, Value: message.Value, Offset: message.Offset, Timestamp: message.Time.UnixMilli()}
		for _, header := range message.Headers {
			record.Headers = append(record.Headers, [2]string{header.Key, string(header.Value)})
		}
		return record
	})
}

func codecs(say Say) {
	Check(create("codecs", 1))
	codecs := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	for _, codec := range Codecs {
		say("produced", Details{"codec": codec, "offset": produce("codecs", 0, codecs[codec], CodecRecords(codec))})
	}
	say("consumed", Details{"keys": Keys(consumed("codecs", 50))})
}

func records(say Say) {
	Check(create("records", 1, kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: "-1"}))
	for _, record := range OddRecords() {
		produce("records", 0, 0, []Record{record})
	}
	for _, record := range consumed("records", 4) {
		say.Consumed(record)
	}
	for _, at := range []int64{T0 + 1500, T0 + 9000} {
		for offset := range listed("records", kafka.TimeOffsetOf(0, time.UnixMilli(at))).Offsets {
			say.Found(at, offset)
		}
	}
	earliest, latest := ends("records")
	say("offsets", Details{"earliest": earliest, "latest": latest})
}

func listed(topic string, requests ...kafka.OffsetRequest) kafka.PartitionOffsets {
	found := Must(client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: requests}})).Topics[topic][0]
	Check(found.Error)
	return found
}

func ends(topic string) (int64, int64) {
	found := listed(topic, kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0))
	return found.FirstOffset, found.LastOffset
}

func grouped() Grouped {
	return Grouped{
		Create: func(topic string, partitions int) { Check(create(topic, partitions)) },
		Send: func(topic string, partition int, values []string) {
			produce(topic, partition, 0, Each(len(values), func(i int) Record { return Record{Value: []byte(values[i])} }))
		},
		Join: join,
		Committed: func(group string) []int64 {
			asked := &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{group: {0, 1, 2, 3}}}
			found := Must(client.OffsetFetch(ctx, asked)).Topics[group]
			offsets := make([]int64, len(found))
			for _, partition := range found {
				offsets[partition.Partition] = partition.CommittedOffset
			}
			return offsets
		},
		Describe: func(group string) (string, int) {
			described := Must(client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})).Groups[0]
			return described.GroupState, len(described.Members)
		},
	}
}

// join reads what each generation of the group gives the member.
func join(group string, member *Member) {
	joined := Must(kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: seeds, Topics: []string{group}, HeartbeatInterval: 200 * time.Millisecond, StartOffset: kafka.FirstOffset,
	}))
	member.Leave = func() { Check(joined.Close()) }
	go func() {
		for {
			generation, err := joined.Next(ctx)
			if errors.Is(err, kafka.ErrGroupClosed) {
				return
			}
			if err != nil {
				continue
			}
			assigned := generation.Assignments[group]
			member.Assign(Each(len(assigned), func(i int) int { return assigned[i].ID }))
			for _, partition := range assigned {
				generation.Start(func(ctx context.Context) { read(ctx, generation, group, partition, member) })
			}
		}
	}()
}

// read reads a partition until the generation ends, and commits each record.
func read(ctx context.Context, generation *kafka.Generation, topic string, partition kafka.PartitionAssignment, member *Member) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: seeds, Topic: topic, Partition: partition.ID, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	Check(reader.SetOffset(partition.Offset))
	for {
		message, err := reader.ReadMessage(ctx)
		if errors.Is(err, context.Canceled) || errors.Is(err, kafka.ErrGenerationEnded) || errors.Is(err, io.EOF) {
			return
		}
		Check(err)
		member.Read(partition.ID, message.Offset, message.Value)
		offsets := map[string]map[int]int64{topic: {partition.ID: message.Offset + 1}}
		if err := generation.CommitOffsets(offsets); err != nil {
			fmt.Fprintln(os.Stderr, "commit:", err)
		}
	}
}

func administer(say Say) {
	topic := "admin"
	config := func(names ...string) map[string]string {
		asked := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: names}
		described := Must(client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{asked}}))
		entries := map[string]string{}
		for _, entry := range described.Resources[0].ConfigEntries {
			entries[entry.ConfigName] = entry.ConfigValue
		}
		return entries
	}
	partitions := func() []kafka.Partition {
		return Must(client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})).Topics[0].Partitions
	}
	policy := kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact,delete"}
	say("created", Details{"error": code(create(topic, 3, policy))})
	say("created again", Details{"error": code(create(topic, 3))})
	say("created with a bad name", Details{"error": code(create("no such/name", 1))})
	say("described", Details{"partitions": len(partitions()), "replicas": len(partitions()[0].Replicas)})
	say("config", Details{"entries": config("cleanup.policy", "retention.ms")})
	hour := kafka.IncrementalAlterConfigsRequestConfig{Name: "retention.ms", Value: "3600000", ConfigOperation: kafka.ConfigOperationSet}
	change := kafka.IncrementalAlterConfigsRequestResource{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{hour},
	}
	changed := Must(client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{change},
	}))
	Check(changed.Resources[0].Error)
	say("altered", Details{"entries": config("retention.ms")})
	more := []kafka.TopicPartitionsConfig{{Name: topic, Count: 5}}
	Check(Must(client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: more})).Errors[topic])
	Eventually(func() bool { return len(partitions()) == 5 })
	say("more partitions", Details{"partitions": len(partitions())})
	remove := func() error {
		return Must(client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})).Errors[topic]
	}
	say("deleted", Details{"error": code(remove())})
	say("deleted again", Details{"error": code(remove())})
}
