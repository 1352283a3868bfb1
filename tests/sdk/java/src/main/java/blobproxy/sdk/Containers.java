// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.BlobAccessPolicy;
import com.azure.storage.blob.models.BlobContainerAccessPolicies;
import com.azure.storage.blob.models.BlobContainerItem;
import com.azure.storage.blob.models.BlobContainerListDetails;
import com.azure.storage.blob.models.BlobContainerProperties;
import com.azure.storage.blob.models.BlobSignedIdentifier;
import com.azure.storage.blob.models.ListBlobContainersOptions;
import com.azure.storage.blob.models.PublicAccessType;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Life of a container. */
final class Containers {
    private Containers() {
    }

    static void run(Service service, Results results) {
        BlobContainerClient container = service.newContainer("containers");
        results.put("exists", container.exists());
        results.mustFail("create again", container::create);
        container.setMetadata(Map.of("purpose", "test", "Mixed", "Case and blanks"));
        results.put("properties", properties(container.getProperties()));
        results.put("list", list(service));
        access(service, container, results);
        container.delete();
        results.mustFail("properties of the deleted one", container::getProperties);
        results.put("exists afterwards", container.exists());
    }

    static Map<String, Object> properties(BlobContainerProperties properties) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("metadata", new TreeMap<>(properties.getMetadata()));
        seen.put("lease", properties.getLeaseState() + " " + properties.getLeaseStatus() + " " + properties.getLeaseDuration());
        seen.put("access", Results.text(properties.getBlobPublicAccess()));
        seen.put("immutability policy", properties.hasImmutabilityPolicy());
        seen.put("legal hold", properties.hasLegalHold());
        seen.put("has etag", properties.getETag() != null);
        return seen;
    }

    private static List<Object> list(Service service) {
        ListBlobContainersOptions options = new ListBlobContainersOptions().setPrefix(service.name("containers"))
            .setDetails(new BlobContainerListDetails().setRetrieveMetadata(true));
        List<Object> rows = new ArrayList<>();
        for (BlobContainerItem item : service.client().listBlobContainers(options, null)) {
            rows.add(List.of(item.getName(), new TreeMap<>(item.getMetadata()), item.getProperties().getLeaseState().toString()));
        }
        return rows;
    }

    private static void access(Service service, BlobContainerClient container, Results results) {
        BlobAccessPolicy policy = new BlobAccessPolicy().setPermissions("rl")
            .setStartsOn(OffsetDateTime.parse("2026-01-01T00:00:00Z"))
            .setExpiresOn(OffsetDateTime.parse("2099-01-01T00:00:00Z"));
        container.setAccessPolicy(PublicAccessType.BLOB,
            List.of(new BlobSignedIdentifier().setId("readers").setAccessPolicy(policy)));
        BlobContainerAccessPolicies seen = container.getAccessPolicy();
        results.put("access", Results.text(seen.getBlobAccessType()));
        results.put("policies", policies(seen.getIdentifiers()));
        container.getBlobClient("public.txt").upload(Content.text("for everybody"));
        String url = container.getBlobContainerUrl();
        results.put("anonymous read", service.blobAt(url + "/public.txt").downloadContent().toString());
        results.mustFail("anonymous read of a missing blob", () -> service.blobAt(url + "/missing").downloadContent());
        results.mustFail("anonymous list", () -> service.containerAt(url).listBlobs().forEach(item -> { }));
        results.mustFail("anonymous write", () -> service.blobAt(url + "/new").upload(Content.text("no"), true));
    }

    private static List<Object> policies(List<BlobSignedIdentifier> identifiers) {
        List<Object> rows = new ArrayList<>();
        for (BlobSignedIdentifier identifier : identifiers) {
            BlobAccessPolicy policy = identifier.getAccessPolicy();
            rows.add(List.of(identifier.getId(), policy.getPermissions(), policy.getStartsOn().toString(),
                policy.getExpiresOn().toString()));
        }
        return rows;
    }
}
