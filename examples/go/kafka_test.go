// Package billing has tests with a Kafka under control: `commitlog serve --test`, started once, and reset behind each test.
package billing

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"testing"
)

// Kafka is one for a test. What can be asked of it is in GET /openapi.json, and in docs/sidecar.md.
type Kafka struct {
	Bootstrap, Control string
	t                  *testing.T
	stdin              io.Closer // the server ends with it, and so with this process
}

// object is JSON to send.
type object map[string]any

var server Kafka

func startKafka(t *testing.T) Kafka {
	if server.stdin == nil {
		command := exec.Command("node_modules/.bin/commitlog", "serve", "--test", "--json", "--until-stdin-ends", "--topic", "orders:3", "-t", "invoices")
		server.stdin, _ = command.StdinPipe()
		output, _ := command.StdoutPipe()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(output).Decode(&server); err != nil {
			t.Fatal(err)
		}
	}
	server.t = t
	t.Cleanup(func() { server.post("/reset", object{}) }) // and fails the test for faults that never happened
	return server
}

func (kafka Kafka) post(path string, body object) (answer struct {
	Detail, Message string
	Pass            bool
}) {
	kafka.t.Helper()
	content, _ := json.Marshal(body)
	response, err := http.Post(kafka.Control+path, "application/json", bytes.NewReader(content))
	if err != nil {
		kafka.t.Fatal(err)
	}
	defer response.Body.Close()
	if json.NewDecoder(response.Body).Decode(&answer); response.StatusCode >= 300 {
		kafka.t.Fatal(answer.Detail)
	}
	return
}

func (kafka Kafka) expect(what object) {
	kafka.t.Helper()
	if result := kafka.post("/expect", what); !result.Pass {
		kafka.t.Fatal(result.Message)
	}
}
