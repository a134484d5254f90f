package billing

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bill is the service: it reads orders and writes invoices, until its context is done.
func bill(ctx context.Context, bootstrap string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		orders := client.PollFetches(ctx).Records()
		if ctx.Err() != nil {
			return nil
		}
		for _, order := range orders {
			invoice := &kgo.Record{Topic: "invoices", Key: order.Key, Value: append([]byte("bill for "), order.Value...)}
			if err := client.ProduceSync(ctx, invoice).FirstErr(); err != nil {
				return err
			}
		}
		if err := client.CommitRecords(ctx, orders...); err != nil {
			return err
		}
	}
}

func startBilling(t *testing.T, kafka Kafka) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- bill(ctx, kafka.Bootstrap) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	kafka.post("/groups/billing/ready", object{}) // it has its partitions and fetches them: no sleep
}

func TestAnOrderIsBilledOnceAlsoWhenALeaderMoves(t *testing.T) {
	kafka := startKafka(t)
	startBilling(t, kafka)
	kafka.post("/faults", object{
		"api": "Produce", "target": object{"topic": "invoices"}, "times": 1,
		"actions": []object{{"type": "error", "error": "NOT_LEADER_OR_FOLLOWER"}},
	})
	kafka.post("/topics/orders/records", object{"records": []object{{"key": "o-1", "value": "tea"}}})

	kafka.expect(object{"matcher": "toHaveProduced", "topic": "invoices", "record": object{"key": "o-1", "value": "bill for tea"}})
	kafka.expect(object{"matcher": "toBeCaughtUp", "group": "billing"})
	kafka.expect(object{"matcher": "toHaveProducedExactly", "topic": "invoices", "records": 1})
	kafka.post("/verify", object{}) // the fault happened, and the service got over it
}

func TestTheNextTestBeginsWithNothing(t *testing.T) {
	kafka := startKafka(t)
	startBilling(t, kafka)
	kafka.expect(object{"matcher": "toHaveProducedExactly", "topic": "invoices", "records": 0})
	kafka.expect(object{"matcher": "toHaveReceivedRequest", "api": "Fetch", "client": "kgo"})
}
