//! The calls of rdkafka that the scenarios are made of.

use crate::scenario::{eventually, text, Outcome};
use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{DeliveryResult, Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::Mutex;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(30);

pub type Options<'a> = [(&'a str, &'a str)];

fn config(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", std::env::args().nth(1).unwrap_or_default());
    for (name, value) in options {
        config.set(*name, *value);
    }
    config
}

pub fn admin() -> KafkaResult<AdminClient<DefaultClientContext>> {
    config(&[]).create()
}

/// Makes a topic. What the broker refuses is an error with its code.
pub fn create(topic: &str, partitions: i32, configs: &Options) -> Outcome {
    let mut made = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (name, value) in configs {
        made = made.set(name, value);
    }
    block_on(admin()?.create_topics(&[made], &AdminOptions::new()))?.remove(0).map_err(|(_, code)| code)?;
    Ok(())
}

/// The broker's code of what was refused; 0 when it was not.
pub fn error_of(result: Outcome) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => *error.downcast::<RDKafkaErrorCode>().expect("it is the broker's") as i32,
    }
}

/// How many replicas each partition has.
pub fn partitions(topic: &str) -> Outcome<Vec<usize>> {
    let metadata = admin()?.inner().fetch_metadata(Some(topic), PATIENCE)?;
    Ok(metadata.topics()[0].partitions().iter().map(|partition| partition.replicas().len()).collect())
}

/// A record to send.
pub struct Record {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    partition: i32,
    timestamp: Option<i64>,
    headers: Vec<(&'static str, &'static str)>,
}

impl Record {
    pub fn new(key: Option<Vec<u8>>, value: Option<Vec<u8>>) -> Self {
        Record { key, value, partition: 0, timestamp: None, headers: vec![] }
    }

    pub fn of_value(value: impl Into<String>) -> Self {
        Record::new(None, Some(value.into().into_bytes()))
    }

    pub fn to(self, partition: i32) -> Self {
        Record { partition, ..self }
    }

    pub fn at(self, timestamp: i64) -> Self {
        Record { timestamp: Some(timestamp), ..self }
    }

    pub fn with(self, headers: Vec<(&'static str, &'static str)>) -> Self {
        Record { headers, ..self }
    }
}

/// What became of the records that were sent.
#[derive(Default)]
pub struct Deliveries(Mutex<Vec<KafkaResult<i64>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let outcome = result.as_ref().map(|message| message.offset()).map_err(|(error, _)| error.clone());
        self.0.lock().unwrap().push(outcome);
    }
}

pub type Sender = ThreadedProducer<Deliveries, NoCustomPartitioner>;

/// Sends records with a producer of their own; the offset of the first one.
pub fn produce(topic: &str, records: &[Record], options: &Options) -> Outcome<i64> {
    send(&config(options).create_with_context(Deliveries::default())?, topic, records)
}

/// Sends records, and waits for them; the offset of the first one.
pub fn send(producer: &Sender, topic: &str, records: &[Record]) -> Outcome<i64> {
    for Record { key, value, partition, timestamp, headers } in records {
        let mut record = BaseRecord::to(topic).partition(*partition);
        record.key = key.as_ref();
        record.payload = value.as_ref();
        record.timestamp = *timestamp;
        if !headers.is_empty() {
            let owned = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
            record.headers = Some(owned);
        }
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    let delivered: Vec<_> = producer.context().0.lock().unwrap().drain(..).collect();
    let offsets = delivered.into_iter().collect::<KafkaResult<Vec<_>>>()?;
    if offsets.len() != records.len() {
        return Err(format!("{} of {} records were delivered", offsets.len(), records.len()).into());
    }
    Ok(*offsets.iter().min().ok_or("nothing was sent")?)
}

/// A producer of transactions, ready to begin one.
pub fn transactional(id: &str) -> Outcome<Sender> {
    let producer: Sender = config(&[("transactional.id", id)]).create_with_context(Deliveries::default())?;
    producer.init_transactions(PATIENCE)?;
    Ok(producer)
}

pub fn consumer(group: &str, options: &Options) -> KafkaResult<BaseConsumer> {
    config(&[&[("group.id", group), ("auto.offset.reset", "earliest")], options].concat()).create()
}

/// The first records of a topic, without a group.
pub fn consumed(topic: &str, count: usize, isolation: &str) -> Outcome<Vec<OwnedMessage>> {
    let consumer = consumer(&format!("{topic}-reader"), &[("isolation.level", isolation)])?;
    consumer.assign(&partition(topic, 0, Offset::Beginning)?)?;
    let mut records = vec![];
    eventually(|| {
        if let Some(message) = consumer.poll(Duration::from_millis(200)) {
            records.push(message?.detach());
        }
        Ok(records.len() >= count)
    })?;
    Ok(records)
}

/// The headers of a record, as pairs.
pub fn headers(record: &OwnedMessage) -> Vec<[String; 2]> {
    let headers = record.headers();
    headers.map(|all| all.iter().map(|header| [header.key.to_owned(), text(header.value)]).collect()).unwrap_or_default()
}

/// A list of one partition.
pub fn partition(topic: &str, partition: i32, offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset)?;
    Ok(list)
}

/// Both ends of the first partition.
pub fn offsets(topic: &str) -> KafkaResult<(i64, i64)> {
    consumer("offsets", &[("isolation.level", "read_uncommitted")])?.fetch_watermarks(topic, 0, PATIENCE)
}

/// What the group of a consumer has committed of a topic of four partitions.
pub fn group_offsets(consumer: &BaseConsumer, topic: &str) -> Outcome<Vec<i64>> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, 3);
    let found = consumer.committed_offsets(asked, PATIENCE)?;
    Ok(found.elements().iter().map(|element| element.offset().to_raw().unwrap_or(-1)).collect())
}
