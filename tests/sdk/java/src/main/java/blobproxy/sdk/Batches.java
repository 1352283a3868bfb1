// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.http.rest.Response;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.batch.BlobBatch;
import com.azure.storage.blob.batch.BlobBatchClient;
import com.azure.storage.blob.batch.BlobBatchClientBuilder;
import com.azure.storage.blob.batch.BlobBatchStorageException;
import com.azure.storage.blob.models.AccessTier;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobStorageException;
import com.azure.storage.blob.models.DeleteSnapshotsOptionType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Many requests in one, of the account and of a container. */
final class Batches {
    private Batches() {
    }

    static void run(Service service, Results results) throws Exception {
        BlobContainerClient container = service.newContainer("batches");
        BlobBatchClient ofAccount = new BlobBatchClientBuilder(service.client()).buildClient();
        BlobBatchClient ofContainer = new BlobBatchClientBuilder(container).buildClient();
        List<String> urls = new ArrayList<>();
        for (String name : List.of("one", "two", "three", "with blank", "kept")) {
            container.getBlobClient(name).upload(Content.text(name));
            urls.add(container.getBlobClient(name).getBlobUrl());
        }
        results.attempt("tiers", () -> statuses(ofAccount.setBlobsAccessTier(urls.subList(0, 4), AccessTier.COOL)));
        results.put("list", list(container));
        results.attempt("one part fails", () -> mixed(ofAccount, container));
        results.attempt("throws", () -> {
            BlobBatch batch = ofContainer.getBlobBatch();
            batch.deleteBlob(container.getBlobClient("missing").getBlobUrl());
            ofContainer.submitBatch(batch);
            return "no failure";
        });
        results.attempt("of the container",
            () -> statuses(ofContainer.deleteBlobs(urls.subList(1, 4), DeleteSnapshotsOptionType.INCLUDE)));
        results.put("list afterwards", list(container));
    }

    private static List<Object> statuses(Iterable<Response<Void>> parts) {
        List<Object> statuses = new ArrayList<>();
        try {
            for (Response<Void> part : parts) {
                statuses.add(part.getStatusCode());
            }
        } catch (BlobBatchStorageException error) {
            for (BlobStorageException part : error.getBatchExceptions()) {
                statuses.add(Results.failure(part));
            }
        }
        return statuses;
    }

    /** One part that deletes, one whose blob is missing. */
    private static Map<String, Object> mixed(BlobBatchClient client, BlobContainerClient container) {
        BlobBatch batch = client.getBlobBatch();
        Response<Void> good = batch.deleteBlob(container.getBlobClient("one").getBlobUrl());
        Response<Void> bad = batch.deleteBlob(container.getBlobClient("missing").getBlobUrl());
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("batch", client.submitBatchWithResponse(batch, false, null, null).getStatusCode());
        seen.put("good", good.getStatusCode());
        try {
            seen.put("bad", bad.getStatusCode());
        } catch (BlobStorageException error) {
            seen.put("bad", Results.failure(error));
        }
        return seen;
    }

    private static List<Object> list(BlobContainerClient container) {
        List<Object> rows = new ArrayList<>();
        for (BlobItem item : container.listBlobs()) {
            rows.add(List.of(item.getName(), item.getProperties().getAccessTier().toString()));
        }
        return rows;
    }
}
