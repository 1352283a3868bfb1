// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.json.JsonProviders;
import com.azure.json.JsonWriter;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs the scenarios named as arguments, or all, and prints a JSON object for each. */
public final class Main {
    private static final Map<String, Scenario> SCENARIOS = scenarios();

    private Main() {
    }

    private static Map<String, Scenario> scenarios() {
        Map<String, Scenario> all = new LinkedHashMap<>();
        all.put("containers", Containers::run);
        all.put("block_blobs", BlockBlobs::run);
        all.put("append_blobs", AppendBlobs::run);
        all.put("page_blobs", PageBlobs::run);
        all.put("parallel_upload", Transfers::parallelUpload);
        all.put("downloads", Transfers::downloads);
        all.put("leases", Leases::run);
        all.put("conditions", Conditions::run);
        all.put("snapshots", Snapshots::run);
        all.put("tags", Tags::run);
        all.put("batch", Batches::run);
        all.put("copy", Copies::run);
        all.put("sas", SharedAccess::run);
        all.put("errors", Errors::run);
        all.put("retries", Transfers::retries);
        all.put("listings", Listings::run);
        all.put("service", ServiceLevel::run);
        return all;
    }

    public static void main(String[] names) throws IOException {
        List<String> wanted = names.length > 0 ? List.of(names) : List.copyOf(SCENARIOS.keySet());
        for (String name : wanted) {
            if (!SCENARIOS.containsKey(name)) {
                System.err.println("no scenario \"" + name + "\"; there are " + SCENARIOS.keySet());
                System.exit(2);
            }
        }
        Service service = Service.ofEnvironment(System.getenv());
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String name : wanted) {
            out.println(line(name, service));
        }
        System.exit(0); // threads of the HTTP client would keep the JVM alive
    }

    private static String line(String name, Service service) throws IOException {
        Results results = new Results();
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("scenario", name);
        try {
            SCENARIOS.get(name).run(service, results);
        } catch (Exception | LinkageError error) { // whatever went wrong, the next scenario runs
            line.put("error", error.getClass().getSimpleName() + ": " + error.getMessage());
            error.printStackTrace();
        }
        line.put("responses", service.recorder().take());
        line.put("results", results.asMap());
        return json(line);
    }

    private static String json(Map<String, Object> line) throws IOException {
        StringWriter text = new StringWriter();
        try (JsonWriter writer = JsonProviders.createWriter(text)) {
            writer.writeUntyped(line);
        }
        return text.toString();
    }
}
