// Package orders has tests against a Kafka of their own: `commitlog serve` in a temporary folder.
package orders

import (
	"context"
	"encoding/json"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// startKafka gives the address of a server that ends with the test.
func startKafka(t *testing.T) string {
	server := exec.Command("node_modules/.bin/commitlog", "serve", t.TempDir(), "--port", "0", "--json")
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		server.Wait()
	})
	var listening struct{ Bootstrap string }
	if err := json.NewDecoder(output).Decode(&listening); err != nil {
		t.Fatal(err)
	}
	return listening.Bootstrap
}

func TestAnOrderArrives(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(startKafka(t)), kgo.AllowAutoTopicCreation(), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	order := &kgo.Record{Topic: "orders", Key: []byte("ada"), Value: []byte("12")}
	if err := client.ProduceSync(ctx, order).FirstErr(); err != nil {
		t.Fatal(err)
	}
	record := client.PollFetches(ctx).Records()[0]
	if string(record.Key) != "ada" || string(record.Value) != "12" || record.Offset != 0 {
		t.Fatalf("got %s %s at %d", record.Key, record.Value, record.Offset)
	}
}
