import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import kafka.tools.DumpLogSegments;
import kafka.tools.StorageTool;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Utils;

/**
 * Kafka's own classes behind standard input and output, for the tests of this folder: a request is a line of JSON with a `command`, and
 * so is its answer. One virtual machine does everything, the broker included, since starting one costs seconds. It ends with its input.
 */
public class Probe {
    static final ObjectMapper JSON = new ObjectMapper();
    static final PrintStream ANSWERS = System.out;
    static final ByteArrayOutputStream STDOUT = new ByteArrayOutputStream();
    static final ByteArrayOutputStream STDERR = new ByteArrayOutputStream();

    static KafkaRaftServer broker;
    static String bootstrap;

    public static void main(String[] args) throws Exception {
        // What the tools print is part of an answer; Scala remembers the stream of its first use, so it is always the same one.
        System.setOut(new PrintStream(STDOUT, true, "UTF-8"));
        System.setErr(new PrintStream(STDERR, true, "UTF-8"));
        BlockingQueue<String> requests = new LinkedBlockingQueue<>();
        new Thread(() -> readUntilTheEnd(requests)).start();
        while (true) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                JsonNode request = JSON.readTree(requests.take());
                answer.set("result", run(request.get("command").asText(), request));
            } catch (Throwable error) {
                StringWriter trace = new StringWriter();
                error.printStackTrace(new PrintWriter(trace));
                answer.put("error", trace.toString());
            }
            ANSWERS.write((JSON.writeValueAsString(answer) + "\n").getBytes("UTF-8"));
            ANSWERS.flush();
        }
    }

    /** Reads messages of the protocol with Kafka's own classes: each as JSON, and written again. */
    static JsonNode messages(JsonNode messages) throws Exception {
        ArrayNode results = JSON.createArrayNode();
        for (JsonNode one : messages) {
            ObjectNode result = results.addObject();
            try {
                String type = "org.apache.kafka.common.message." + one.get("name").asText() + "Data";
                short version = (short) one.get("version").asInt();
                ByteBuffer bytes = ByteBuffer.wrap(one.get("bytes").binaryValue());
                Class<?> data = Class.forName(type);
                Readable readable = new ByteBufferAccessor(bytes);
                ApiMessage message = (ApiMessage) data.getConstructor(Readable.class, short.class).newInstance(readable, version);
                result.put("left", bytes.remaining());
                Class<?> converter = Class.forName(type + "JsonConverter");
                result.set("json", (JsonNode) converter.getMethod("write", data, short.class).invoke(null, message, version));
                ObjectSerializationCache cache = new ObjectSerializationCache();
                ByteBuffer again = ByteBuffer.allocate(message.size(cache, version));
                message.write(new ByteBufferAccessor(again), cache, version);
                result.put("bytes", again.array());
            } catch (java.lang.reflect.InvocationTargetException error) {
                result.put("error", String.valueOf(error.getCause()));
            } catch (Exception error) {
                result.put("error", String.valueOf(error));
            }
        }
        return results;
    }

    /** Whoever asks may die at any time, and whatever runs here then ends. */
    static void readUntilTheEnd(BlockingQueue<String> requests) {
        try {
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
            for (String line = input.readLine(); line != null; line = input.readLine()) requests.add(line);
        } catch (IOException error) {
            error.printStackTrace();
        }
        Runtime.getRuntime().halt(0);
    }

    static JsonNode run(String command, JsonNode request) throws Exception {
        switch (command) {
            case "messages": return messages(request.get("messages"));
            case "murmur2": return murmur2(request);
            case "dump": return dump(request);
            case "format": return format(request);
            case "start": return start(request);
            case "stop": return stop();
            case "createTopics": return createTopics(request);
            case "clean": return clean();
            case "consume": return consume(request);
            case "listOffsets": return listOffsets(request);
            case "describeProducers": return describeProducers(request);
            case "produce": return produce(request);
            default: throw new IllegalArgumentException("unknown command " + command);
        }
    }

    /** The hash of each key, and where it goes among each of the given numbers of partitions. */
    static JsonNode murmur2(JsonNode request) {
        ArrayNode result = JSON.createArrayNode();
        for (JsonNode key : request.get("keys")) {
            byte[] bytes = bytes(key);
            ObjectNode row = result.addObject();
            row.set("key", key);
            row.put("hash", Utils.murmur2(bytes));
            ArrayNode partitions = row.putArray("partitions");
            for (JsonNode count : request.get("partitionCounts")) partitions.add(BuiltInPartitioner.partitionForKey(bytes, count.asInt()));
        }
        return result;
    }

    /** What DumpLogSegments prints with the given arguments. */
    static JsonNode dump(JsonNode request) throws Exception {
        STDOUT.reset();
        STDERR.reset();
        ObjectNode result = JSON.createObjectNode();
        try {
            DumpLogSegments.main(JSON.convertValue(request.get("arguments"), String[].class));
        } catch (Throwable error) {
            result.put("thrown", error.toString());
        }
        result.put("stdout", STDOUT.toString("UTF-8"));
        result.put("stderr", STDERR.toString("UTF-8"));
        return result;
    }

    /** Formats the storage of a broker. */
    static JsonNode format(JsonNode request) throws Exception {
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        String[] arguments = {"format", "-t", request.get("clusterId").asText(), "-c", request.get("properties").asText()};
        int code = StorageTool.execute(arguments, new PrintStream(printed, true, "UTF-8"));
        if (code != 0) throw new IllegalStateException("format ended with " + code + ": " + printed.toString("UTF-8"));
        return null;
    }

    /** Starts a broker, as kafka.Kafka does, and waits until it answers. */
    static JsonNode start(JsonNode request) throws Exception {
        Properties properties = Utils.loadProps(request.get("properties").asText());
        bootstrap = properties.getProperty("advertised.listeners").replaceFirst("^.*//", "");
        broker = new KafkaRaftServer(KafkaConfig.fromProps(properties, false), Time.SYSTEM);
        broker.startup();
        try (Admin admin = Admin.create(clientConfig())) {
            admin.describeCluster().nodes().get();
        }
        return null;
    }

    /** Stops the broker, as kafka.Kafka does on SIGTERM. */
    static JsonNode stop() {
        if (broker == null) return null;
        broker.shutdown();
        broker.awaitShutdown();
        broker = null;
        return null;
    }

    static JsonNode createTopics(JsonNode request) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (JsonNode topic : request.get("topics")) {
            Map<String, String> configs = new HashMap<>();
            topic.get("configs").fields().forEachRemaining((entry) -> configs.put(entry.getKey(), entry.getValue().asText()));
            topics.add(new NewTopic(topic.get("name").asText(), topic.get("partitions").asInt(), (short) 1).configs(configs));
        }
        try (Admin admin = Admin.create(clientConfig())) {
            admin.createTopics(topics).all().get();
        }
        return null;
    }

    /** Takes away all topics and groups, so that the broker is as a new one. */
    static JsonNode clean() throws Exception {
        try (Admin admin = Admin.create(clientConfig())) {
            admin.deleteTopics(admin.listTopics().names().get()).all().get();
            long deadline = System.currentTimeMillis() + 60_000;
            while (!isClean(admin)) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException("topics or groups are there still");
                Thread.sleep(20);
            }
        }
        return null;
    }

    /** A group cannot be deleted before its members are known to be gone. */
    static boolean isClean(Admin admin) throws InterruptedException {
        try {
            admin.deleteConsumerGroups(admin.listGroups().all().get().stream().map(GroupListing::groupId).toList()).all().get();
            return admin.listTopics().names().get().isEmpty();
        } catch (ExecutionException error) {
            return false;
        }
    }

    /** Everything that a consumer gets from these partitions, from the first offset to the end as it is now. */
    static JsonNode consume(JsonNode request) {
        Map<String, Object> config = clientConfig();
        config.put("isolation.level", request.get("isolation").asText());
        config.put("max.poll.records", 10_000);
        ArrayNode result = JSON.createArrayNode();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = partitions(request.get("partitions"));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long deadline = System.currentTimeMillis() + 60_000;
            while (!partitions.stream().allMatch((partition) -> consumer.position(partition) >= ends.get(partition))) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException("the end was not reached: " + ends);
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) result.add(asJson(record));
            }
        }
        return result;
    }

    static ObjectNode asJson(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode json = JSON.createObjectNode();
        json.put("topic", record.topic()).put("partition", record.partition()).put("offset", record.offset());
        json.put("timestamp", record.timestamp()).put("timestampType", record.timestampType().toString());
        json.put("key", base64(record.key())).put("value", base64(record.value()));
        ArrayNode headers = json.putArray("headers");
        for (Header header : record.headers()) headers.addArray().add(header.key()).add(base64(header.value()));
        json.put("leaderEpoch", record.leaderEpoch().orElse(-1));
        return json;
    }

    /** For each query of a partition, the answer to a timestamp or to "latest", "earliest" and "max", for readers of committed or all records. */
    static JsonNode listOffsets(JsonNode request) throws Exception {
        ArrayNode result = JSON.createArrayNode();
        try (Admin admin = Admin.create(clientConfig())) {
            for (JsonNode query : request.get("queries")) {
                TopicPartition partition = partition(query);
                boolean committed = query.get("committed").asBoolean();
                ListOffsetsOptions options = new ListOffsetsOptions(committed ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED);
                var found = admin.listOffsets(Map.of(partition, spec(query.get("at"))), options).partitionResult(partition).get();
                result.addObject().put("offset", found.offset()).put("timestamp", found.timestamp())
                    .put("leaderEpoch", found.leaderEpoch().orElse(-1));
            }
        }
        return result;
    }

    static OffsetSpec spec(JsonNode at) {
        if (at.isNumber()) return OffsetSpec.forTimestamp(at.asLong());
        switch (at.asText()) {
            case "earliest": return OffsetSpec.earliest();
            case "latest": return OffsetSpec.latest();
            default: return OffsetSpec.maxTimestamp();
        }
    }

    /** What the broker remembers of the producers of a partition. */
    static JsonNode describeProducers(JsonNode request) throws Exception {
        ArrayNode result = JSON.createArrayNode();
        TopicPartition partition = partition(request);
        try (Admin admin = Admin.create(clientConfig())) {
            for (var producer : admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers()) {
                result.addObject().put("producerId", producer.producerId()).put("producerEpoch", producer.producerEpoch())
                    .put("lastSequence", producer.lastSequence()).put("lastTimestamp", producer.lastTimestamp())
                    .put("coordinatorEpoch", producer.coordinatorEpoch().orElse(-1))
                    .put("transactionStart", producer.currentTransactionStartOffset().orElse(-1));
            }
        }
        return result;
    }

    /** Sends one record to each of the partitions, and gives the offsets. */
    static JsonNode produce(JsonNode request) throws Exception {
        ArrayNode result = JSON.createArrayNode();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(clientConfig(), new ByteArraySerializer(), new ByteArraySerializer())) {
            for (TopicPartition partition : partitions(request.get("partitions"))) {
                ProducerRecord<byte[], byte[]> record =
                    new ProducerRecord<>(partition.topic(), partition.partition(), bytes(request.get("key")), bytes(request.get("value")));
                RecordMetadata stored = producer.send(record).get();
                result.addObject().put("offset", stored.offset()).put("timestamp", stored.timestamp());
            }
        }
        return result;
    }

    static Map<String, Object> clientConfig() {
        return new HashMap<>(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", 120_000, "request.timeout.ms", 60_000));
    }

    static List<TopicPartition> partitions(JsonNode list) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (JsonNode one : list) partitions.add(partition(one));
        return partitions;
    }

    static TopicPartition partition(JsonNode json) {
        return new TopicPartition(json.get("topic").asText(), json.get("partition").asInt());
    }

    static byte[] bytes(JsonNode base64) {
        return Base64.getDecoder().decode(base64.asText());
    }

    static String base64(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
