// The scenarios with franz-go: franz <bootstrap> <scenario>...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	. "commitlog/interop/scenario"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var ctx = context.Background()
var admin *kadm.Client

func main() {
	plain := client()
	defer plain.Close()
	admin = kadm.NewClient(plain)
	Run(map[string]func(Say){
		"codecs": codecs, "idempotence": idempotence, "records": records, "transactions": transactions, "admin": administer,
		"group":          func(say Say) { grouped(false).Group(say, "classic-group") },
		"consumer-group": func(say Say) { grouped(true).Group(say, "consumer-group") },
	})
}

func client(options ...kgo.Opt) *kgo.Client {
	seeds := kgo.SeedBrokers(strings.Split(os.Args[1], ",")...)
	return Must(kgo.NewClient(append(options, seeds, kgo.RecordPartitioner(kgo.ManualPartitioner()))...))
}

func create(topic string, partitions int, configs map[string]*string) error {
	_, err := admin.CreateTopic(ctx, int32(partitions), 1, configs, topic)
	return err
}

// code is the broker's code of an error; 0 when there is none.
func code(err error) int16 {
	if err == nil {
		return 0
	}
	var known *kerr.Error
	if !errors.As(err, &known) {
		panic(err)
	}
	return known.Code
}

// produce sends records to partition 0, and gives the offset of the first one.
func produce(topic string, records []Record, options ...kgo.Opt) int64 {
	client := client(options...)
	defer client.Close()
	sent := client.ProduceSync(ctx, Each(len(records), func(i int) *kgo.Record { return theirs(topic, records[i]) })...)
	Check(sent.FirstErr())
	return sent[0].Record.Offset
}

func theirs(topic string, record Record) *kgo.Record {
	sent := &kgo.Record{Topic: topic, Key: record.Key, Value: record.Value}
	if record.Timestamp != 0 {
		sent.Timestamp = time.UnixMilli(record.Timestamp)
	}
	for _, header := range record.Headers {
		sent.Headers = append(sent.Headers, kgo.RecordHeader{Key: header[0], Value: []byte(header[1])})
	}
	return sent
}

// consumed are the first records of a topic, without a group.
func consumed(topic string, count int, options ...kgo.Opt) []Record {
	options = append(options, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	client := client(options...)
	defer client.Close()
	var records []Record
	limit, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for len(records) < count {
		fetches := client.PollFetches(limit)
		Check(fetches.Err0())
		fetches.EachRecord(func(record *kgo.Record) {
			ours := Record{Key: record.Key, Value: record.Value, Offset: record.Offset, Timestamp: record.Timestamp.UnixMilli()}
			for _, header := range record.Headers {
				ours.Headers = append(ours.Headers, [2]string{header.Key, string(header.Value)})
			}
			records = append(records, ours)
		})
	}
	return records
}

func codecs(say Say) {
	Check(create("codecs", 1, nil))
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(),
		"zstd": kgo.ZstdCompression(),
	}
	for _, codec := range Codecs {
		options := []kgo.Opt{kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerLinger(100 * time.Millisecond)}
		say("produced", Details{"codec": codec, "offset": produce("codecs", CodecRecords(codec), options...)})
	}
	say("consumed", Details{"keys": Keys(consumed("codecs", 50))})
}

func idempotence(say Say) {
	Check(create("idempotence", 1, nil))
	numbers := Each(100, func(i int) Record { return Record{Value: []byte{byte(i)}} })
	produce("idempotence", numbers, kgo.ProducerBatchMaxBytes(1024))
	say.Range(consumed("idempotence", 100))
}

func records(say Say) {
	forever := "-1"
	Check(create("records", 1, map[string]*string{"retention.ms": &forever}))
	produce("records", OddRecords())
	for _, record := range consumed("records", 4) {
		say.Consumed(record)
	}
	for _, at := range []int64{T0 + 1500, T0 + 9000} {
		found, _ := Must(admin.ListOffsetsAfterMilli(ctx, at, "records")).Lookup("records", 0)
		// Where nothing is found it gives the end of the partition, with the time -1.
		if found.Timestamp == -1 {
			found.Offset = -1
		}
		say.Found(at, found.Offset)
	}
	earliest, _ := Must(admin.ListStartOffsets(ctx, "records")).Lookup("records", 0)
	latest, _ := Must(admin.ListEndOffsets(ctx, "records")).Lookup("records", 0)
	say("offsets", Details{"earliest": earliest.Offset, "latest": latest.Offset})
}

func grouped(serverSide bool) Grouped {
	return Grouped{
		Create: func(topic string, partitions int) { Check(create(topic, partitions, nil)) },
		Send: func(topic string, partition int, values []string) {
			client := client()
			defer client.Close()
			Check(client.ProduceSync(ctx, Each(len(values), func(i int) *kgo.Record {
				return &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte(values[i])}
			})...).FirstErr())
		},
		Join: func(group string, member *Member) { join(group, member, serverSide) },
		Committed: func(group string) []int64 {
			found := Must(admin.FetchOffsets(ctx, group))
			var offsets []int64
			for _, offset := range found.Sorted() {
				offsets = append(offsets, offset.At)
			}
			return offsets
		},
		Describe: func(group string) (string, int) {
			if serverSide {
				described := Must(admin.DescribeConsumerGroups(ctx, group))[group]
				return described.State, len(described.Members)
			}
			described := Must(admin.DescribeGroups(ctx, group))[group]
			return described.State, len(described.Members)
		},
	}
}

func join(group string, member *Member, serverSide bool) {
	var client *kgo.Client
	var has = map[int32]bool{}
	change := func(held bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			for _, partition := range topics[group] {
				if has[partition] = held; !held {
					delete(has, partition)
				}
			}
			var all []int
			for partition := range has {
				all = append(all, int(partition))
			}
			member.Assign(all)
		}
	}
	options := []kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(group), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitInterval(100 * time.Millisecond), kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
	}
	if serverSide {
		options = append(options, kgo.ServerSideBalancer())
	}
	client = newMember(options)
	member.Leave = client.Close
	go func() {
		for {
			fetches := client.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(record *kgo.Record) { member.Read(int(record.Partition), record.Offset, record.Value) })
		}
	}()
}

func newMember(options []kgo.Opt) *kgo.Client { return client(options...) }

func transactions(say Say) {
	topic := "transactions"
	Check(create(topic, 1, nil))
	values := func(prefix string, count int) []*kgo.Record {
		return Each(count, func(i int) *kgo.Record { return theirs(topic, Record{Value: fmt.Appendf(nil, "%s%d", prefix, i)}) })
	}
	client := client(kgo.TransactionalID("tx"))
	transaction := func(records []*kgo.Record, end kgo.TransactionEndTry) {
		Check(client.BeginTransaction())
		Check(client.ProduceSync(ctx, records...).FirstErr())
		Check(client.EndTransaction(ctx, end))
	}
	transaction(values("c", 5), kgo.TryCommit)
	transaction(values("a", 5), kgo.TryAbort)
	client.Close()
	// Offsets are committed by what has read them.
	session := Must(kgo.NewGroupTransactSession(
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...), kgo.TransactionalID("tx"), kgo.ConsumerGroup("tx-group"), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	))
	for read := 0; read < 5; {
		read += session.PollRecords(ctx, 5-read).NumRecords()
	}
	Check(session.Begin())
	Check(session.ProduceSync(ctx, values("d", 3)...).FirstErr())
	if !Must(session.End(ctx, kgo.TryCommit)) {
		panic("not committed")
	}
	session.Close()
	read := consumed(topic, 8, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	say("read committed", Details{"values": Values(read), "offsets": Offsets(read)})
	say("read uncommitted", Details{"values": Values(consumed(topic, 13))})
	offset, _ := Must(admin.FetchOffsets(ctx, "tx-group")).Lookup(topic, 0)
	say("group", Details{"offset": offset.At})
}

func administer(say Say) {
	topic := "admin"
	config := func(names ...string) map[string]string {
		described := Must(admin.DescribeTopicConfigs(ctx, topic))
		entries := map[string]string{}
		for _, entry := range described[0].Configs {
			for _, name := range names {
				if entry.Key == name {
					entries[name] = entry.MaybeValue()
				}
			}
		}
		return entries
	}
	partitions := func() kadm.PartitionDetails { return Must(admin.ListTopics(ctx, topic))[topic].Partitions }
	policy, hour := "compact,delete", "3600000"
	say("created", Details{"error": code(create(topic, 3, map[string]*string{"cleanup.policy": &policy}))})
	say("created again", Details{"error": code(create(topic, 3, nil))})
	say("created with a bad name", Details{"error": code(create("no such/name", 1, nil))})
	say("described", Details{"partitions": len(partitions()), "replicas": len(partitions()[0].Replicas)})
	say("config", Details{"entries": config("cleanup.policy", "retention.ms")})
	Must(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &hour}}, topic))
	say("altered", Details{"entries": config("retention.ms")})
	produce(topic, Each(3, func(int) Record { return Record{Key: []byte("k"), Value: []byte("v")} }))
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 2})
	Must(admin.DeleteRecords(ctx, offsets))
	low, _ := Must(admin.ListStartOffsets(ctx, topic)).Lookup(topic, 0)
	high, _ := Must(admin.ListEndOffsets(ctx, topic)).Lookup(topic, 0)
	say("records deleted", Details{"low": low.Offset, "high": high.Offset})
	Check(Must(admin.UpdatePartitions(ctx, 5, topic)).Error())
	Eventually(func() bool { return len(partitions()) == 5 })
	say("more partitions", Details{"partitions": len(partitions())})
	remove := func() error { return Must(admin.DeleteTopics(ctx, topic))[topic].Err }
	say("deleted", Details{"error": code(remove())})
	say("deleted again", Details{"error": code(remove())})
}
