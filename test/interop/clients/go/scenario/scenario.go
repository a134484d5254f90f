// Package scenario is what the Go clients share: the data of the scenarios, and how a program says what it saw, a line of JSON for each step.
package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

const T0 = int64(1_700_000_000_000)

// A Record as scenarios write and see it.
type Record struct {
	Key, Value []byte
	Headers    [][2]string
	Offset     int64
	Timestamp  int64
}

// CodecRecords are ten records, long enough to be worth compressing.
func CodecRecords(codec string) []Record {
	return Each(10, func(i int) Record {
		value := fmt.Sprintf("%s %d %s", codec, i, strings.Repeat("x", 100))
		return Record{Key: fmt.Appendf(nil, "%s-%d", codec, i), Value: []byte(value)}
	})
}

// OddRecords are a large one, a tombstone, one whose headers have a name twice, and one without a key.
func OddRecords() []Record {
	return []Record{
		{Key: []byte("large"), Value: bytes.Repeat([]byte("L"), 900*1024), Timestamp: T0},
		{Key: []byte("gone"), Timestamp: T0 + 1000},
		{Key: []byte("headers"), Value: []byte("h"), Headers: [][2]string{{"trace", "1"}, {"trace", "2"}, {"empty", ""}}, Timestamp: T0 + 2000},
		{Value: []byte("no key"), Timestamp: T0 + 3000},
	}
}

// Each makes things from their numbers.
func Each[T any](count int, make func(int) T) []T {
	var all []T
	for i := range count {
		all = append(all, make(i))
	}
	return all
}

// Must gives the result of a call that did not fail.
func Must[T any](result T, err error) T {
	Check(err)
	return result
}

// Check ends the scenario when there is an error.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// Eventually waits until something holds, for 30 seconds.
func Eventually(holds func() bool) {
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	panic("waited 30 seconds")
}

// Details of a step.
type Details map[string]any

// Say is told what a scenario saw.
type Say func(step string, details Details)

// Consumed says one record.
func (say Say) Consumed(record Record) {
	headers := record.Headers
	if headers == nil {
		headers = [][2]string{}
	}
	say("consumed", Details{
		"offset": record.Offset, "timestamp": record.Timestamp, "key": shown(record.Key), "value": shown(record.Value), "headers": headers,
	})
}

// Found says what was found for a time; -1 is nothing.
func (say Say) Found(time, offset int64) {
	details := Details{"time": time, "offset": offset}
	if offset == -1 {
		details["offset"] = nil
	}
	say("offset for time", details)
}

// Range says the first and last of records, and how many differ.
func (say Say) Range(records []Record) {
	values := map[string]bool{}
	for _, record := range records {
		values[string(record.Value)] = true
	}
	say("consumed", Details{"first": records[0].Offset, "last": records[len(records)-1].Offset, "distinct": len(values)})
}

// Keys and Values of records, and their Offsets.
func Keys(records []Record) []string {
	return Each(len(records), func(i int) string { return string(records[i].Key) })
}
func Values(records []Record) []string {
	return Each(len(records), func(i int) string { return string(records[i].Value) })
}
func Offsets(records []Record) []int64 {
	return Each(len(records), func(i int) int64 { return records[i].Offset })
}

func shown(bytes []byte) any {
	if bytes == nil {
		return nil
	}
	if len(bytes) > 1000 {
		return fmt.Sprintf("%d bytes", len(bytes))
	}
	return string(bytes)
}

// Run runs the scenarios that the command line names. One that fails says so, and the next one runs.
func Run(scenarios map[string]func(Say)) {
	for _, name := range os.Args[2:] {
		run(name, scenarios[name])
	}
}

func run(name string, scenario func(Say)) {
	say := Say(func(step string, details Details) {
		details["scenario"], details["step"] = name, step
		fmt.Println(string(Must(json.Marshal(details))))
	})
	defer func() {
		if reason := recover(); reason != nil {
			say("failed", Details{"reason": fmt.Sprint(reason, "\n", string(debug.Stack()))})
		}
	}()
	scenario(say)
}

// A Member of a group: what it is assigned, and what it has read.
type Member struct {
	Leave    func()
	lock     sync.Mutex
	assigned []int
	seen     []string
}

// Assign says what the member has from now on.
func (member *Member) Assign(partitions []int) {
	member.lock.Lock()
	defer member.lock.Unlock()
	member.assigned = slices.Sorted(slices.Values(partitions))
}

// Read says that the member has read a record.
func (member *Member) Read(partition int, offset int64, value []byte) {
	member.lock.Lock()
	defer member.lock.Unlock()
	member.seen = append(member.seen, fmt.Sprintf("%d %d %s", partition, offset, value))
}

func (member *Member) has() []int {
	member.lock.Lock()
	defer member.lock.Unlock()
	return slices.Clone(member.assigned)
}

// A Grouped client is what the scenario of groups asks of one.
type Grouped struct {
	Create    func(topic string, partitions int)
	Send      func(topic string, partition int, values []string)
	Join      func(group string, member *Member)
	Committed func(group string) []int64
	// Describe gives the state of a group and the number of its members.
	Describe func(group string) (string, int)
}

// Group is the scenario of a group whose topic has its name.
func (client Grouped) Group(say Say, topic string) {
	var members []*Member
	join := func() *Member {
		member := &Member{}
		client.Join(topic, member)
		members = append(members, member)
		return member
	}
	send := func(from int) {
		for partition := range 4 {
			client.Send(topic, partition, Each(10, func(i int) string { return fmt.Sprint(from + i*4 + partition) }))
		}
	}
	read := func(by string, count int) {
		var seen []string
		Eventually(func() bool {
			seen = nil
			for _, member := range members {
				member.lock.Lock()
				seen = append(seen, member.seen...)
				member.lock.Unlock()
			}
			return len(seen) >= count
		})
		slices.Sort(seen)
		say("consumed", Details{"by": by, "count": len(seen), "distinct": len(slices.Compact(seen))})
	}
	committed := func(expected int64) {
		var offsets []int64
		Eventually(func() bool {
			offsets = client.Committed(topic)
			return slices.Equal(offsets, []int64{expected, expected, expected, expected})
		})
		say("committed", Details{"offsets": offsets})
	}
	client.Create(topic, 4)
	send(0)
	first := join()
	Eventually(func() bool { return len(first.has()) == 4 })
	say("alone", Details{"assigned": first.has()})
	read("first", 40)
	committed(10)
	second := join()
	Eventually(func() bool { return len(first.has()) == 2 && len(second.has()) == 2 })
	both := slices.Sorted(slices.Values(append(first.has(), second.has()...)))
	say("together", Details{"sizes": []int{len(first.has()), len(second.has())}, "assigned": both})
	state, count := client.Describe(topic)
	say("described", Details{"state": strings.ToLower(state), "members": count})
	send(40)
	read("both", 80)
	committed(20)
	second.Leave()
	Eventually(func() bool { return len(first.has()) == 4 })
	say("alone", Details{"assigned": first.has()})
	first.Leave()
}
