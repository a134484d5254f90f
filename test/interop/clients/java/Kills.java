/*
 * Produces and consumes with Kafka's own client while its broker is killed and comes back: java -cp 'jars/*' Kills <bootstrap>. What is
 * acknowledged, read and committed is a line each (see kills.test.ts). `stop` on stdin ends the producers, the end of stdin the rest.
 */
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Kills {
  static final String TOPIC = "events";
  static final int KEYS = 6;
  static String bootstrap;
  static volatile boolean stopping = false;
  static volatile boolean ending = false;

  public static void main(String[] arguments) throws Exception {
    bootstrap = arguments[0];
    var threads = new ArrayList<Thread>();
    // Without idempotence only one request at a time keeps the order.
    threads.add(started(() -> produce("java-plain", Map.of("enable.idempotence", false, "max.in.flight.requests.per.connection", 1))));
    threads.add(started(() -> produce("java-idempotent", Map.of("enable.idempotence", true))));
    threads.add(started(() -> consume("java-classic", "classic")));
    threads.add(started(() -> consume("java-consumer", "consumer")));
    while (System.in.read() != -1) stopping = true;
    ending = true;
    for (var thread : threads) thread.join();
  }

  static Thread started(Runnable work) {
    var thread = new Thread(work);
    thread.setUncaughtExceptionHandler((where, error) -> {
      error.printStackTrace();
      System.exit(1);
    });
    thread.start();
    return thread;
  }

  static synchronized void print(Object... words) {
    System.out.println(String.join(" ", List.of(words).stream().map(Object::toString).toList()));
  }

  /** Each value of a key is one more than the one before. */
  static void produce(String name, Map<String, Object> options) {
    var all = new HashMap<>(options);
    all.putAll(Map.of("bootstrap.servers", bootstrap, "acks", "all", "linger.ms", 5, "reconnect.backoff.max.ms", 300, "request.timeout.ms", 5000));
    try (var producer = new KafkaProducer<>(all, new StringSerializer(), new StringSerializer())) {
      for (int value = 0; !stopping; value++) {
        for (int key = 0; key < KEYS; key++) {
          String named = name + "-" + key;
          int sent = value;
          producer.send(new ProducerRecord<>(TOPIC, named, "" + value), (stored, error) -> {
            if (error == null) print("stored", name, named, sent, stored.partition(), stored.offset());
            else print("lost", name, named, sent, error);
          });
        }
        pause(5);
      }
    }
    print("stopped", name);
  }

  static void consume(String group, String protocol) {
    var options = new HashMap<String, Object>(Map.of(
      "bootstrap.servers", bootstrap, "group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", false,
      "reconnect.backoff.max.ms", 300, "request.timeout.ms", 5000));
    if (protocol.equals("classic")) options.putAll(Map.of("heartbeat.interval.ms", 500, "session.timeout.ms", 10000));
    try (var consumer = new KafkaConsumer<>(options, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(TOPIC));
      while (!ending) {
        var records = consumer.poll(Duration.ofMillis(100));
        for (var record : records) print("read", group, record.partition(), record.offset(), record.key(), record.value());
        if (records.isEmpty()) continue;
        try {
          consumer.commitSync(records.nextOffsets());
          records.nextOffsets().forEach((partition, next) -> print("committed", group, partition.partition(), next.offset()));
        } catch (CommitFailedException | RetriableException error) {
          // What was not committed is read again.
          print("uncommitted", group, error.getClass().getSimpleName());
        }
      }
    }
  }

  static void pause(int ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException error) {
      throw new RuntimeException(error);
    }
  }
}
