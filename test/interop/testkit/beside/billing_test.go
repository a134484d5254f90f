package billing

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAnOrderIsInvoicedOnce(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "orders", "invoices"))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	go Run(ctx, kafka.ListenAddrs()...)

	// The leader of the invoices "moves" once; that it did is for the test to count.
	var faults atomic.Int32
	kafka.ControlKey(kmsg.Produce.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		produce := request.(*kmsg.ProduceRequest)
		kafka.KeepControl()
		if faults.Load() > 0 || produceTopic(kafka, produce) != "invoices" {
			return nil, nil, false
		}
		faults.Add(1)
		response := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			refused := kmsg.ProduceResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID}
			for _, partition := range topic.Partitions {
				row := kmsg.NewProduceResponseTopicPartition()
				row.Partition, row.ErrorCode = partition.Partition, 6
				refused.Partitions = append(refused.Partitions, row)
			}
			response.Topics = append(response.Topics, refused)
		}
		return response, nil, true
	})

	// A client of the test's own, to fill and to look. Whether the service is ready cannot be asked: it reads from the start.
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.ConsumeTopics("invoices"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	placed := &kgo.Record{Topic: "orders", Key: []byte("o-1"), Value: []byte(`{"id":"o-1","total":10}`)}
	if err := client.ProduceSync(ctx, placed).FirstErr(); err != nil {
		t.Fatal(err)
	}
	records := client.PollFetches(ctx).Records()
	if len(records) != 1 || string(records[0].Key) != "o-1" || string(records[0].Value) != `{"id":"o-1","due":12}` {
		t.Fatalf("got %v", records)
	}
	// Nothing says that no second one comes: the test waits a while.
	soon, stop := context.WithTimeout(ctx, 500*time.Millisecond)
	defer stop()
	if more := client.PollFetches(soon).Records(); len(more) != 0 {
		t.Fatalf("invoiced again: %v", more)
	}
	if faults.Load() != 1 {
		t.Fatal("the fault never happened")
	}
}

// The newest clients name topics by their ids only.
func produceTopic(kafka *kfake.Cluster, request *kmsg.ProduceRequest) string {
	if len(request.Topics) == 0 {
		return ""
	}
	if name := request.Topics[0].Topic; name != "" {
		return name
	}
	if info := kafka.TopicInfo("invoices"); info != nil && info.TopicID == request.Topics[0].TopicID {
		return "invoices"
	}
	return ""
}
