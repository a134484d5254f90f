/*
 * Who a client is and what it may do, with Kafka's own client: java -cp 'jars/*:classes' Security <file of cases>
 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Security {
  static final ObjectMapper JSON = new ObjectMapper();
  static JsonNode given;

  public static void main(String[] arguments) throws Exception {
    given = JSON.readTree(new File(arguments[0]));
    for (JsonNode one : given.get("cases")) {
      ObjectNode said = JSON.createObjectNode().put("name", one.get("name").asText());
      tried(one, "open-java-" + one.get("name").asText(), said);
      System.out.println(said);
    }
    System.exit(0);
  }

  static Map<String, Object> settings(JsonNode one) {
    boolean tls = one.path("tls").asBoolean();
    String mechanism = one.path("mechanism").asText(null);
    Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", one.get("bootstrap").asText(), "max.block.ms", 20_000));
    config.put("security.protocol", (mechanism == null ? "" : "SASL_") + (tls ? "SSL" : "PLAINTEXT"));
    if (tls) config.putAll(Map.of("ssl.truststore.type", "PEM", "ssl.truststore.certificates", given.get("ca").asText()));
    if (one.path("certificate").asBoolean()) {
      config.put("ssl.keystore.type", "PEM");
      config.put("ssl.keystore.certificate.chain", given.get("cert").asText());
      config.put("ssl.keystore.key", given.get("key").asText());
    }
    if (mechanism == null) return config;
    config.put("sasl.mechanism", mechanism);
    String login = String.format("username=\"%s\" password=\"%s\"", one.path("username").asText(), one.path("password").asText());
    String module = switch (mechanism) {
      case "PLAIN" -> "plain.PlainLoginModule required " + login;
      case "OAUTHBEARER" -> "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"ada\"";
      default -> "scram.ScramLoginModule required " + login;
    };
    config.put("sasl.jaas.config", "org.apache.kafka.common.security." + module + ";");
    return config;
  }

  static void tried(JsonNode one, String topic, ObjectNode said) throws Exception {
    Map<String, Object> config = settings(one);
    config.putAll(Map.of("group.id", topic, "auto.offset.reset", "earliest"));
    try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
      producer.send(new ProducerRecord<>(topic, topic)).get();
      // Longer than a session, where there is one that ends.
      for (int i = 0; i < one.path("rounds").asInt(); i++) {
        Thread.sleep(200);
        producer.send(new ProducerRecord<>(topic, topic)).get();
      }
      producer.metrics().forEach((metric, value) -> {
        if (one.has("rounds") && metric.name().equals("successful-reauthentication-total")) said.put("again", (double) value.metricValue() > 0);
      });
      try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
        consumer.subscribe(List.of(topic));
        while (!said.has("read")) consumer.poll(Duration.ofMillis(200)).forEach((record) -> said.put("read", record.value()));
      }
      said.put("denied", denied(producer));
    } catch (ExecutionException error) {
      said.put("failed", error.getCause().getMessage());
    } catch (RuntimeException error) {
      said.put("failed", String.valueOf(error.getMessage()));
    }
  }

  static int denied(KafkaProducer<String, String> producer) throws InterruptedException {
    try {
      producer.send(new ProducerRecord<>("closed", "x")).get();
      return 0;
    } catch (ExecutionException error) {
      return Errors.forException(error.getCause()).code();
    }
  }
}
