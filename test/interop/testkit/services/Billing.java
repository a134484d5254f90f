import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** A service of Kafka's own clients for Java: it reads orders and writes invoices. */
public class Billing {
  private static final Pattern ORDER = Pattern.compile("\\{\"id\":\"([^\"]+)\",\"total\":(\\d+)\\}");

  public static void main(String[] arguments) throws Exception {
    Map<String, Object> both = Map.of("bootstrap.servers", System.getenv("KAFKA_BOOTSTRAP_SERVERS"), "client.id", "billing", "retry.backoff.ms", 50);
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(both, new StringSerializer(), new StringSerializer());
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(consumerConfig(both), new StringDeserializer(), new StringDeserializer())) {
      Thread main = Thread.currentThread();
      Runtime.getRuntime().addShutdownHook(new Thread(() -> {
        consumer.wakeup();
        try {
          main.join();
        } catch (InterruptedException ignored) {
          // The process ends anyway.
        }
      }));
      consumer.subscribe(List.of("orders"));
      while (true) {
        for (var order : consumer.poll(Duration.ofMillis(100))) {
          var fields = ORDER.matcher(order.value());
          if (!fields.matches()) continue;
          double due = Math.round(Integer.parseInt(fields.group(2)) * 120.0) / 100.0;
          String invoice = "{\"id\":\"" + fields.group(1) + "\",\"due\":" + due + "}";
          producer.send(new ProducerRecord<>("invoices", fields.group(1), invoice)).get();
        }
        consumer.commitSync();
      }
    } catch (WakeupException stopped) {
      // Somebody asked it to stop.
    }
  }

  private static Map<String, Object> consumerConfig(Map<String, Object> both) {
    var config = new java.util.HashMap<>(both);
    config.putAll(Map.of("group.id", "billing", "auto.offset.reset", "earliest", "enable.auto.commit", false, "fetch.max.wait.ms", 100));
    return config;
  }
}
