/*
 * The scenarios with Kafka's own client: java -cp 'jars/*:classes' Scenarios <bootstrap> <scenario>...
 */
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Scenarios {
  static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
  static final String LARGE = "L".repeat(900 * 1024);
  static final long T0 = 1_700_000_000_000L;
  static String bootstrap;
  static Admin admin;

  public static void main(String[] arguments) throws Exception {
    bootstrap = arguments[0];
    admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    for (String name : Arrays.copyOfRange(arguments, 1, arguments.length)) {
      Say say = new Say(name);
      try {
        switch (name) {
          case "codecs" -> codecs(say);
          case "idempotence" -> idempotence(say);
          case "records" -> records(say);
          case "group" -> group(say, "classic");
          case "consumer-group" -> group(say, "consumer");
          case "transactions" -> transactions(say);
          case "admin" -> admin(say);
          default -> throw new IllegalArgumentException(name);
        }
      } catch (Exception error) {
        say.step("failed", "reason", error + " " + Arrays.toString(error.getStackTrace()));
      }
    }
    admin.close();
    System.exit(0);
  }

  static void codecs(Say say) throws Exception {
    create("codecs", 1);
    for (String codec : CODECS) {
      try (var producer = producer(Map.of("compression.type", codec, "linger.ms", 100))) {
        var sent = new ArrayList<java.util.concurrent.Future<RecordMetadata>>();
        for (int i = 0; i < 10; i++) {
          sent.add(producer.send(new ProducerRecord<>("codecs", codec + "-" + i, codec + " " + i + " " + "x".repeat(100))));
        }
        producer.flush();
        say.step("produced", "codec", codec, "offset", sent.get(0).get().offset());
      }
    }
    say.step("consumed", "keys", consumed("codecs", 50, "read_uncommitted").stream().map(ConsumerRecord::key).toList());
  }

  static void idempotence(Say say) throws Exception {
    create("idempotence", 1);
    try (var producer = producer(Map.of("enable.idempotence", true, "batch.size", 100))) {
      for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>("idempotence", "" + i));
    }
    var records = consumed("idempotence", 100, "read_uncommitted");
    long distinct = records.stream().map(ConsumerRecord::value).distinct().count();
    say.step("consumed", "first", records.get(0).offset(), "last", records.get(records.size() - 1).offset(), "distinct", distinct);
  }

  static void records(Say say) throws Exception {
    create("records", 1, "retention.ms", "-1");
    try (var producer = producer(Map.of())) {
      var records = List.of(
        new ProducerRecord<>("records", 0, T0, "large", LARGE),
        new ProducerRecord<>("records", 0, T0 + 1000, "gone", (String) null),
        new ProducerRecord<>("records", 0, T0 + 2000, "headers", "h", List.of(header("trace", "1"), header("trace", "2"), header("empty", ""))),
        new ProducerRecord<>("records", 0, T0 + 3000, (String) null, "no key"));
      for (var record : records) producer.send(record).get();
    }
    for (var record : consumed("records", 4, "read_uncommitted")) {
      var headers = new ArrayList<List<String>>();
      for (var header : record.headers()) headers.add(List.of(header.key(), new String(header.value())));
      say.step("consumed", "offset", record.offset(), "timestamp", record.timestamp(), "key", record.key(), "value", shown(record.value()),
        "headers", headers);
    }
    for (long time : new long[] { T0 + 1500, T0 + 9000 }) {
      long offset = listed("records", OffsetSpec.forTimestamp(time));
      say.step("offset for time", "time", time, "offset", offset == -1 ? null : offset);
    }
    say.step("offsets", "earliest", listed("records", OffsetSpec.earliest()), "latest", listed("records", OffsetSpec.latest()));
  }

  static void group(Say say, String protocol) throws Exception {
    String topic = protocol + "-group";
    create(topic, 4);
    var members = new ArrayList<KafkaConsumer<String, String>>();
    var seen = new ArrayList<String>();
    // The members read while they wait.
    Consumer<BooleanSupplier> until = holds -> eventually(() -> {
      for (var member : members) {
        for (var record : member.poll(Duration.ofMillis(50))) seen.add(record.partition() + " " + record.offset() + " " + record.value());
      }
      return holds.getAsBoolean();
    });
    send(topic, 0);
    var first = join(topic, protocol, members);
    until.accept(() -> assigned(first).size() == 4);
    say.step("alone", "assigned", assigned(first));
    until.accept(() -> seen.size() >= 40);
    say.step("consumed", "by", "first", "count", seen.size(), "distinct", new HashSet<>(seen).size());
    until.accept(() -> offsets(topic).equals(List.of(10L, 10L, 10L, 10L)));
    say.step("committed", "offsets", offsets(topic));
    var second = join(topic, protocol, members);
    until.accept(() -> assigned(first).size() == 2 && assigned(second).size() == 2);
    var both = new ArrayList<>(assigned(first));
    both.addAll(assigned(second));
    say.step("together", "sizes", List.of(assigned(first).size(), assigned(second).size()), "assigned", both.stream().sorted().toList());
    var described = admin.describeConsumerGroups(List.of(topic)).all().get().get(topic);
    say.step("described", "state", described.groupState().toString().toLowerCase(), "members", described.members().size());
    send(topic, 40);
    until.accept(() -> seen.size() >= 80);
    say.step("consumed", "by", "both", "count", seen.size(), "distinct", new HashSet<>(seen).size());
    until.accept(() -> offsets(topic).equals(List.of(20L, 20L, 20L, 20L)));
    say.step("committed", "offsets", offsets(topic));
    members.remove(second);
    second.close();
    until.accept(() -> assigned(first).size() == 4);
    say.step("alone", "assigned", assigned(first));
    first.close();
  }

  static KafkaConsumer<String, String> join(String group, String protocol, Collection<KafkaConsumer<String, String>> members) {
    var options = new HashMap<String, Object>(Map.of("group.id", group, "group.protocol", protocol, "auto.commit.interval.ms", 100));
    if (protocol.equals("classic")) options.put("heartbeat.interval.ms", 200);
    var member = consumer(options);
    member.subscribe(List.of(group));
    members.add(member);
    return member;
  }

  static void send(String topic, int from) {
    try (var producer = producer(Map.of())) {
      for (int i = 0; i < 40; i++) producer.send(new ProducerRecord<>(topic, i % 4, null, "" + (from + i)));
    }
  }

  static List<Integer> assigned(KafkaConsumer<?, ?> member) {
    return member.assignment().stream().map(TopicPartition::partition).sorted().toList();
  }

  static List<Long> offsets(String group) {
    try {
      var found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      return found.keySet().stream().sorted((a, b) -> a.partition() - b.partition()).map(partition -> found.get(partition).offset()).toList();
    } catch (Exception error) {
      throw new RuntimeException(error);
    }
  }

  static void transactions(Say say) throws Exception {
    String topic = "transactions";
    create(topic, 1);
    try (var producer = producer(Map.of("transactional.id", "tx"))) {
      producer.initTransactions();
      begin(producer, topic, "c", 5);
      producer.commitTransaction();
      begin(producer, topic, "a", 5);
      producer.flush();
      producer.abortTransaction();
      begin(producer, topic, "d", 3);
      var offsets = Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(5));
      producer.sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata("tx-group"));
      producer.commitTransaction();
    }
    var committed = consumed(topic, 8, "read_committed");
    var values = committed.stream().map(ConsumerRecord::value).toList();
    say.step("read committed", "values", values, "offsets", committed.stream().map(ConsumerRecord::offset).toList());
    say.step("read uncommitted", "values", consumed(topic, 13, "read_uncommitted").stream().map(ConsumerRecord::value).toList());
    say.step("group", "offset", offsets("tx-group").get(0));
  }

  static void begin(Producer<String, String> producer, String topic, String prefix, int count) {
    producer.beginTransaction();
    for (int i = 0; i < count; i++) producer.send(new ProducerRecord<>(topic, prefix + i));
  }

  static void admin(Say say) throws Exception {
    String topic = "admin";
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    say.step("created", "error", errorOf(() -> create(topic, 3, "cleanup.policy", "compact,delete")));
    say.step("created again", "error", errorOf(() -> create(topic, 3)));
    say.step("created with a bad name", "error", errorOf(() -> create("no such/name", 1)));
    var partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
    say.step("described", "partitions", partitions.size(), "replicas", partitions.get(0).replicas().size());
    say.step("config", "entries", config(resource, "cleanup.policy", "retention.ms"));
    var change = new AlterConfigOp(new ConfigEntry("retention.ms", "3600000"), AlterConfigOp.OpType.SET);
    admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
    say.step("altered", "entries", config(resource, "retention.ms"));
    try (var producer = producer(Map.of())) {
      for (int i = 0; i < 3; i++) producer.send(new ProducerRecord<>(topic, 0, "k", "v"));
    }
    admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(2))).all().get();
    say.step("records deleted", "low", listed(topic, OffsetSpec.earliest()), "high", listed(topic, OffsetSpec.latest()));
    admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
    eventually(() -> partitionsOf(topic) == 5);
    say.step("more partitions", "partitions", partitionsOf(topic));
    say.step("deleted", "error", errorOf(() -> admin.deleteTopics(List.of(topic)).all().get()));
    say.step("deleted again", "error", errorOf(() -> admin.deleteTopics(List.of(topic)).all().get()));
  }

  static int partitionsOf(String topic) {
    try {
      return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    } catch (InterruptedException | ExecutionException error) {
      throw new RuntimeException(error);
    }
  }

  static Map<String, String> config(ConfigResource resource, String... names) throws Exception {
    var described = admin.describeConfigs(List.of(resource)).all().get().get(resource);
    var entries = new java.util.LinkedHashMap<String, String>();
    for (String name : names) entries.put(name, described.get(name).value());
    return entries;
  }

  static Void create(String topic, int partitions, String... config) throws Exception {
    var made = new NewTopic(topic, partitions, (short) 1);
    if (config.length > 0) made.configs(Map.of(config[0], config[1]));
    admin.createTopics(List.of(made)).all().get();
    return null;
  }

  /** The broker's code of what a call threw; 0 when it did not. */
  static int errorOf(Callable<?> call) throws Exception {
    try {
      call.call();
      return 0;
    } catch (ExecutionException error) {
      return Errors.forException(error.getCause()).code();
    }
  }

  static KafkaProducer<String, String> producer(Map<String, Object> options) {
    var all = new HashMap<String, Object>(options);
    all.put("bootstrap.servers", bootstrap);
    return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(Map<String, Object> options) {
    var all = new HashMap<String, Object>(options);
    all.put("bootstrap.servers", bootstrap);
    all.put("auto.offset.reset", "earliest");
    return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
  }

  /** The first records of a topic, without a group. */
  static List<ConsumerRecord<String, String>> consumed(String topic, int count, String isolation) {
    var records = new ArrayList<ConsumerRecord<String, String>>();
    try (var consumer = consumer(Map.of("isolation.level", isolation))) {
      consumer.assign(List.of(new TopicPartition(topic, 0)));
      eventually(() -> {
        consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        return records.size() >= count;
      });
    }
    return records;
  }

  static long listed(String topic, OffsetSpec spec) throws Exception {
    var partition = new TopicPartition(topic, 0);
    return admin.listOffsets(Map.of(partition, spec)).all().get().get(partition).offset();
  }

  static RecordHeader header(String name, String value) {
    return new RecordHeader(name, value.getBytes());
  }

  static String shown(String value) {
    return value != null && value.length() > 1000 ? value.length() + " bytes" : value;
  }

  /** Waits until something holds, for 30 seconds. */
  static void eventually(BooleanSupplier holds) {
    long until = System.nanoTime() + 30_000_000_000L;
    while (System.nanoTime() < until) if (holds.getAsBoolean()) return;
    throw new RuntimeException("waited 30 seconds");
  }

  /** Says what a scenario saw, a line of JSON for each step. */
  record Say(String scenario) {
    void step(String step, Object... details) {
      var line = new StringBuilder("{\"scenario\":" + json(scenario) + ",\"step\":" + json(step));
      for (int i = 0; i < details.length; i += 2) line.append(",").append(json(details[i])).append(":").append(json(details[i + 1]));
      System.out.println(line.append("}"));
    }

    static String json(Object value) {
      if (value == null || value instanceof Number) return String.valueOf(value);
      if (value instanceof Collection<?> list) return "[" + String.join(",", list.stream().map(Say::json).toList()) + "]";
      if (value instanceof Map<?, ?> map) {
        return "{" + String.join(",", map.entrySet().stream().map(entry -> json(entry.getKey()) + ":" + json(entry.getValue())).toList()) + "}";
      }
      return '"' + value.toString().replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + '"';
    }
  }
}
