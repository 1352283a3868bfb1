// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.TaggedBlobItem;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Tags, and blobs found by them. */
final class Tags {
    private Tags() {
    }

    static void run(Service service, Results results) throws Exception {
        BlobContainerClient container = service.newContainer("tags");
        BlobContainerClient other = service.newContainer("tags-other");
        tag(container, "first", Map.of("project", "alpha", "state", "open"));
        tag(container, "second", Map.of("project", "alpha", "state", "closed"));
        tag(container, "third", Map.of("project", "beta with blanks +-./:=_"));
        tag(other, "fourth", Map.of("project", "alpha"));
        results.put("tags", new TreeMap<>(container.getBlobClient("first").getTags()));
        results.put("odd tags", new TreeMap<>(container.getBlobClient("third").getTags()));
        results.attempt("of the account", () -> rows(service.client().findBlobsByTags("\"project\" = 'alpha'")));
        results.attempt("of a container, from the account", () -> rows(
            service.client().findBlobsByTags("@container = '" + container.getBlobContainerName() + "' AND \"project\" = 'alpha'")));
        results.attempt("of the container", () -> rows(container.findBlobsByTags("\"project\" = 'alpha' AND \"state\" = 'open'")));
        results.attempt("bad query", () -> rows(container.findBlobsByTags("project ~ alpha")));
        container.getBlobClient("first").setTags(Map.of());
        results.put("no tags", new TreeMap<>(container.getBlobClient("first").getTags()));
    }

    private static void tag(BlobContainerClient container, String name, Map<String, String> tags) {
        BlobClient blob = container.getBlobClient(name);
        blob.upload(Content.text(name));
        blob.setTags(tags);
    }

    private static List<Object> rows(Iterable<TaggedBlobItem> items) {
        List<Object> rows = new ArrayList<>();
        for (TaggedBlobItem item : items) {
            rows.add(List.of(item.getContainerName(), item.getName(), new TreeMap<>(item.getTags())));
        }
        return rows;
    }
}
