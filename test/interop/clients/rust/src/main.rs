//! The scenarios with rdkafka (librdkafka): scenarios <bootstrap> <scenario>...

mod client;
mod scenario;

use client::{
    admin, consumed, consumer, create, error_of, group_offsets, offsets, partition, partitions, produce, send, transactional, Record, PATIENCE,
};
use futures_executor::block_on;
use rdkafka::admin::{AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use scenario::{eventually, shown, text, Outcome, Say, CODECS, LARGE, T0};
use serde_json::{json, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

fn main() {
    for name in std::env::args().skip(2) {
        let say = Say::new(&name);
        let outcome = match name.as_str() {
            "codecs" => codecs(&say),
            "idempotence" => idempotence(&say),
            "records" => records(&say),
            "group" => group(&say, "classic"),
            "consumer-group" => group(&say, "consumer"),
            "transactions" => transactions(&say),
            "admin" => administer(&say),
            _ => Err(format!("there is no scenario {name}").into()),
        };
        if let Err(error) = outcome {
            say.step("failed", json!({ "reason": error.to_string() }));
        }
    }
}

fn codecs(say: &Say) -> Outcome {
    create("codecs", 1, &[])?;
    for codec in CODECS {
        let records: Vec<_> =
            (0..10).map(|i| Record::new(Some(format!("{codec}-{i}").into()), Some(format!("{codec} {i} {}", "x".repeat(100)).into()))).collect();
        let offset = produce("codecs", &records, &[("compression.type", codec), ("linger.ms", "100")])?;
        say.step("produced", json!({ "codec": codec, "offset": offset }));
    }
    let read = consumed("codecs", 50, "read_uncommitted")?;
    let keys: Vec<_> = read.iter().map(|record| text(record.key())).collect();
    say.step("consumed", json!({ "keys": keys }));
    Ok(())
}

fn idempotence(say: &Say) -> Outcome {
    create("idempotence", 1, &[])?;
    let records: Vec<_> = (0..100).map(|i| Record::of_value(i.to_string())).collect();
    produce("idempotence", &records, &[("enable.idempotence", "true"), ("batch.num.messages", "10")])?;
    let read = consumed("idempotence", 100, "read_uncommitted")?;
    let distinct: BTreeSet<_> = read.iter().map(|record| record.payload().map(<[u8]>::to_vec)).collect();
    say.step("consumed", json!({ "first": read[0].offset(), "last": read[99].offset(), "distinct": distinct.len() }));
    Ok(())
}

fn records(say: &Say) -> Outcome {
    create("records", 1, &[("retention.ms", "-1")])?;
    let headers = vec![("trace", "1"), ("trace", "2"), ("empty", "")];
    let records = [
        Record::new(Some("large".into()), Some(vec![b'L'; LARGE])).at(T0),
        Record::new(Some("gone".into()), None).at(T0 + 1000),
        Record::new(Some("headers".into()), Some("h".into())).with(headers).at(T0 + 2000),
        Record::of_value("no key").at(T0 + 3000),
    ];
    produce("records", &records, &[])?;
    for record in consumed("records", 4, "read_uncommitted")? {
        let (key, value) = (shown(record.key()), shown(record.payload()));
        let timestamp = record.timestamp().to_millis();
        let details = json!({ "offset": record.offset(), "timestamp": timestamp, "key": key, "value": value, "headers": client::headers(&record) });
        say.step("consumed", details);
    }
    let reader = consumer("records-reader", &[("isolation.level", "read_uncommitted")])?;
    for time in [T0 + 1500, T0 + 9000] {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset("records", 0, Offset::Offset(time))?;
        let offset = reader.offsets_for_times(asked, PATIENCE)?.elements()[0].offset();
        // What is behind all records is found at the end.
        say.step("offset for time", json!({ "time": time, "offset": if offset == Offset::End { None } else { offset.to_raw() } }));
    }
    let (earliest, latest) = offsets("records")?;
    say.step("offsets", json!({ "earliest": earliest, "latest": latest }));
    Ok(())
}

/// The members of a group, and what they have read.
struct Members {
    topic: String,
    all: Vec<Rc<BaseConsumer>>,
    seen: RefCell<Vec<(i32, i64, Vec<u8>)>>,
}

impl Members {
    /// Waits until something holds. The members read while they wait.
    fn until(&self, holds: impl Fn() -> Outcome<bool>) -> Outcome {
        eventually(|| {
            for member in &self.all {
                while let Some(message) = member.poll(Duration::from_millis(50)) {
                    let message = message?;
                    let value = message.payload().unwrap_or_default().to_vec();
                    self.seen.borrow_mut().push((message.partition(), message.offset(), value));
                }
            }
            holds()
        })
    }

    fn read(&self, say: &Say, by: &str, count: usize) -> Outcome {
        self.until(|| Ok(self.seen.borrow().len() >= count))?;
        let seen = self.seen.borrow();
        let distinct: BTreeSet<_> = seen.iter().collect();
        say.step("consumed", json!({ "by": by, "count": seen.len(), "distinct": distinct.len() }));
        Ok(())
    }

    fn committed(&self, say: &Say, reader: &BaseConsumer, expected: i64) -> Outcome {
        self.until(|| Ok(group_offsets(reader, &self.topic)? == [expected; 4]))?;
        say.step("committed", json!({ "offsets": group_offsets(reader, &self.topic)? }));
        Ok(())
    }
}

fn group(say: &Say, protocol: &str) -> Outcome {
    let topic = format!("{protocol}-group");
    create(&topic, 4, &[])?;
    let send = |from: i32| {
        let records: Vec<_> = (0..40).map(|i| Record::of_value((from + i).to_string()).to(i % 4)).collect();
        produce(&topic, &records, &[])
    };
    let join = || -> Outcome<Rc<BaseConsumer>> {
        let mut options = vec![("group.protocol", protocol), ("auto.commit.interval.ms", "100")];
        if protocol == "classic" {
            options.push(("heartbeat.interval.ms", "200"));
        }
        let member = consumer(&topic, &options)?;
        member.subscribe(&[&topic])?;
        Ok(Rc::new(member))
    };
    // It asks for what the group has committed, and is no member.
    let reader = consumer(&topic, &[])?;
    send(0)?;
    let first = join()?;
    let mut members = Members { topic: topic.clone(), all: vec![first.clone()], seen: RefCell::default() };
    members.until(|| Ok(assigned(&first)?.len() == 4))?;
    say.step("alone", json!({ "assigned": assigned(&first)? }));
    members.read(say, "first", 40)?;
    members.committed(say, &reader, 10)?;
    let second = join()?;
    members.all.push(second.clone());
    members.until(|| Ok(assigned(&first)?.len() == 2 && assigned(&second)?.len() == 2))?;
    let both: BTreeSet<_> = [assigned(&first)?, assigned(&second)?].concat().into_iter().collect();
    say.step("together", json!({ "sizes": [assigned(&first)?.len(), assigned(&second)?.len()], "assigned": both }));
    if protocol == "classic" {
        let found = first.fetch_group_list(Some(&topic), PATIENCE)?;
        let described = &found.groups()[0];
        say.step("described", json!({ "state": described.state().to_lowercase(), "members": described.members().len() }));
    }
    send(40)?;
    members.read(say, "both", 80)?;
    members.committed(say, &reader, 20)?;
    members.all.pop();
    // It leaves when nobody has it any more.
    drop(second);
    members.until(|| Ok(assigned(&first)?.len() == 4))?;
    say.step("alone", json!({ "assigned": assigned(&first)? }));
    Ok(())
}

fn assigned(member: &BaseConsumer) -> Outcome<Vec<i32>> {
    let mut partitions: Vec<_> = member.assignment()?.elements().iter().map(|element| element.partition()).collect();
    partitions.sort();
    Ok(partitions)
}

fn transactions(say: &Say) -> Outcome {
    let topic = "transactions";
    create(topic, 1, &[])?;
    let producer = transactional("tx")?;
    let reader = consumer("tx-group", &[])?;
    let begin = |prefix: &str, count: i32| -> Outcome {
        producer.begin_transaction()?;
        let records: Vec<_> = (0..count).map(|i| Record::of_value(format!("{prefix}{i}"))).collect();
        send(&producer, topic, &records)?;
        Ok(())
    };
    begin("c", 5)?;
    producer.commit_transaction(PATIENCE)?;
    begin("a", 5)?;
    producer.abort_transaction(PATIENCE)?;
    begin("d", 3)?;
    let metadata = reader.group_metadata().ok_or("the reader is in no group")?;
    producer.send_offsets_to_transaction(&partition(topic, 0, Offset::Offset(5))?, &metadata, PATIENCE)?;
    producer.commit_transaction(PATIENCE)?;
    let read = consumed(topic, 8, "read_committed")?;
    let values = |records: &[rdkafka::message::OwnedMessage]| records.iter().map(|record| text(record.payload())).collect::<Vec<_>>();
    let at: Vec<_> = read.iter().map(|record| record.offset()).collect();
    say.step("read committed", json!({ "values": values(&read), "offsets": at }));
    say.step("read uncommitted", json!({ "values": values(&consumed(topic, 13, "read_uncommitted")?) }));
    say.step("group", json!({ "offset": offset_of_transaction(topic)? }));
    Ok(())
}

fn offset_of_transaction(topic: &str) -> Outcome<Option<i64>> {
    let asked = partition(topic, 0, Offset::Invalid)?;
    Ok(consumer("tx-group", &[])?.committed_offsets(asked, PATIENCE)?.elements()[0].offset().to_raw())
}

fn administer(say: &Say) -> Outcome {
    let topic = "admin";
    let options = AdminOptions::new();
    let config = |names: &[&str]| -> Outcome<BTreeMap<String, Option<String>>> {
        let described = block_on(admin()?.describe_configs(&[ResourceSpecifier::Topic(topic)], &options))?.remove(0)?;
        Ok(described.entries.into_iter().filter(|entry| names.contains(&entry.name.as_str())).map(|entry| (entry.name, entry.value)).collect())
    };
    let error = |result| -> Value { json!({ "error": error_of(result) }) };
    say.step("created", error(create(topic, 3, &[("cleanup.policy", "compact,delete")])));
    say.step("created again", error(create(topic, 3, &[])));
    say.step("created with a bad name", error(create("no such/name", 1, &[])));
    let described = partitions(topic)?;
    say.step("described", json!({ "partitions": described.len(), "replicas": described[0] }));
    say.step("config", json!({ "entries": config(&["cleanup.policy", "retention.ms"])? }));
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("retention.ms", "3600000");
    block_on(admin()?.alter_configs(&[change], &options))?.remove(0).map_err(|(_, code)| code)?;
    say.step("altered", json!({ "entries": config(&["retention.ms"])? }));
    let record = || Record::new(Some("k".into()), Some("v".into()));
    produce(topic, &[record(), record(), record()], &[])?;
    block_on(admin()?.delete_records(&partition(topic, 0, Offset::Offset(2))?, &options))?.elements()[0].error()?;
    let (low, high) = offsets(topic)?;
    say.step("records deleted", json!({ "low": low, "high": high }));
    block_on(admin()?.create_partitions(&[NewPartitions::new(topic, 5)], &options))?.remove(0).map_err(|(_, code)| code)?;
    eventually(|| Ok(partitions(topic)?.len() == 5))?;
    say.step("more partitions", json!({ "partitions": partitions(topic)?.len() }));
    let delete = || -> Outcome { Ok(block_on(admin()?.delete_topics(&[topic], &options))?.remove(0).map(|_| ()).map_err(|(_, code)| code)?) };
    say.step("deleted", error(delete()));
    say.step("deleted again", error(delete()));
    Ok(())
}
