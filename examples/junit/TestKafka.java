import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Pattern;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A Kafka under control: `commitlog serve --test`, started once, and reset behind each test. What can be asked of it is in docs/sidecar.md. */
class TestKafka implements BeforeAllCallback, AfterEachCallback {
  private static final HttpClient http = HttpClient.newHttpClient();
  // Its stdin is open as long as this JVM runs: it ends with it.
  private static Process server;
  private static String control;
  static String bootstrap;

  @Override
  public synchronized void beforeAll(ExtensionContext context) throws IOException {
    if (server != null) return;
    server = new ProcessBuilder(
        "node_modules/.bin/commitlog", "serve", "--test", "--json", "--until-stdin-ends", "--topic", "orders:3", "--topic", "invoices")
        .redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String listening = server.inputReader().readLine();
    bootstrap = field(listening, "bootstrap");
    control = field(listening, "control");
  }

  @Override
  public void afterEach(ExtensionContext context) throws Exception {
    post("/reset", "{}");  // and fails the test for faults that never happened
  }

  String post(String path, String body) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(control + path)).header("Content-Type", "application/json").POST(BodyPublishers.ofString(body));
    var response = http.send(request.build(), BodyHandlers.ofString());
    if (response.statusCode() >= 300) throw new AssertionError(response.body());
    return response.body();
  }

  void expect(String what) throws Exception {
    String result = post("/expect", what);
    if (!result.startsWith("{\"pass\":true")) throw new AssertionError(result);
  }

  private static String field(String json, String name) {
    return Pattern.compile("\"" + name + "\":\"([^\"]+)\"").matcher(json).results().findFirst().orElseThrow().group(1);
  }
}
