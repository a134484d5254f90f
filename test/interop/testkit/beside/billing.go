// Package billing reads orders and writes invoices.
package billing

import (
	"context"
	"encoding/json"

	"github.com/twmb/franz-go/pkg/kgo"
)

type order struct {
	ID    string  `json:"id"`
	Total float64 `json:"total"`
}

type invoice struct {
	ID  string  `json:"id"`
	Due float64 `json:"due"`
}

// Run serves until the context ends.
func Run(ctx context.Context, brokers ...string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, record := range fetches.Records() {
			var placed order
			if json.Unmarshal(record.Value, &placed) != nil {
				continue
			}
			value, _ := json.Marshal(invoice{placed.ID, placed.Total * 1.2})
			due := &kgo.Record{Topic: "invoices", Key: []byte(placed.ID), Value: value}
			if err := client.ProduceSync(ctx, due).FirstErr(); err != nil {
				return err
			}
		}
		client.CommitUncommittedOffsets(ctx)
	}
	return nil
}
