import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A service that reads orders and writes invoices, and a Kafka that has its worst day when a test says so. */
class BillingTest {
  @RegisterExtension
  static final TestKafka kafka = new TestKafka();
  private Thread service;

  private static void bill() {
    Map<String, Object> options = Map.of(
        "bootstrap.servers", TestKafka.bootstrap, "group.id", "billing", "auto.offset.reset", "earliest", "auto.commit.interval.ms", 100);
    try (var consumer = new KafkaConsumer<>(options, new StringDeserializer(), new StringDeserializer());
        var producer = new KafkaProducer<>(Map.of("bootstrap.servers", TestKafka.bootstrap), new StringSerializer(), new StringSerializer())) {
      consumer.subscribe(List.of("orders"));
      while (true) {
        for (var order : consumer.poll(Duration.ofSeconds(1))) {
          producer.send(new ProducerRecord<>("invoices", order.key(), "bill for " + order.value())).get();
        }
      }
    } catch (Exception interrupted) {
      // The test is over.
    }
  }

  @BeforeEach
  void start() throws Exception {
    service = new Thread(BillingTest::bill);
    service.start();
    kafka.post("/groups/billing/ready", "{}");  // it has its partitions and fetches them: no sleep
  }

  @AfterEach
  void stop() throws Exception {
    service.interrupt();
    service.join();
  }

  @Test
  void anOrderIsBilledOnceAlsoWhenALeaderMoves() throws Exception {
    kafka.post("/faults", """
        {"api": "Produce", "target": {"topic": "invoices"}, "times": 1, "actions": [{"type": "error", "error": "NOT_LEADER_OR_FOLLOWER"}]}""");
    kafka.post("/topics/orders/records", """
        {"records": [{"key": "o-1", "value": "tea"}]}""");

    kafka.expect("""
        {"matcher": "toHaveProduced", "topic": "invoices", "record": {"key": "o-1", "value": "bill for tea"}}""");
    kafka.expect("""
        {"matcher": "toBeCaughtUp", "group": "billing"}""");
    kafka.expect("""
        {"matcher": "toHaveProducedExactly", "topic": "invoices", "records": 1}""");
    kafka.post("/verify", "{}");  // the fault happened, and the service got over it
  }

  @Test
  void theNextTestBeginsWithNothing() throws Exception {
    kafka.expect("""
        {"matcher": "toHaveProducedExactly", "topic": "invoices", "records": 0}""");
    kafka.expect("""
        {"matcher": "toHaveReceivedRequest", "api": "Fetch", "client": {"pattern": "^consumer-billing"}}""");
  }
}
