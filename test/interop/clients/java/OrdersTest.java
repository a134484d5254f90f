import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedReader;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests against a Kafka of their own: `commitlog serve` in a temporary folder. */
class OrdersTest {
  @TempDir
  static Path folder;
  static Process server;
  static String bootstrap;

  @BeforeAll
  static void start() throws Exception {
    server = new ProcessBuilder("node_modules/.bin/commitlog", "serve", folder.resolve("kafka").toString(), "--port", "0", "--json").start();
    BufferedReader output = server.inputReader();
    var listening = Pattern.compile("\"bootstrap\":\"([^\"]+)\"").matcher(output.readLine());
    listening.find();
    bootstrap = listening.group(1);
  }

  @AfterAll
  static void stop() throws Exception {
    server.destroy();
    server.waitFor();
  }

  @Test
  void anOrderArrives() throws Exception {
    try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer())) {
      assertEquals(0, producer.send(new ProducerRecord<>("orders", "ada", "12")).get().offset());
    }
    Map<String, Object> options = Map.of("bootstrap.servers", bootstrap, "group.id", "billing", "auto.offset.reset", "earliest");
    try (var consumer = new KafkaConsumer<>(options, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of("orders"));
      var records = consumer.poll(Duration.ofSeconds(10));
      assertEquals("12", records.iterator().next().value());
    }
  }
}
