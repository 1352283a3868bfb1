// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.http.rest.Response;
import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobServiceClient;
import com.azure.storage.blob.models.BlobDownloadHeaders;
import com.azure.storage.blob.models.BlobDownloadResponse;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.BlobRange;
import com.azure.storage.blob.models.BlockListType;
import com.azure.storage.blob.models.ParallelTransferOptions;
import com.azure.storage.blob.options.BlobDownloadToFileOptions;
import com.azure.storage.blob.options.BlobParallelUploadOptions;
import com.azure.storage.common.policy.RequestRetryOptions;
import com.azure.storage.common.policy.RetryPolicyType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Bodies larger than one request of the SDK or one slot of a proxy, and requests that must be repeated. */
final class Transfers {
    private static final int MIB = 1024 * 1024;

    private Transfers() {
    }

    static void parallelUpload(Service service, Results results) {
        BlobContainerClient container = service.newContainer("uploads");
        BlobClient parallel = container.getBlobClient("parallel");
        parallel.uploadWithResponse(new BlobParallelUploadOptions(Content.data(20 * MIB, 5))
            .setParallelTransferOptions(new ParallelTransferOptions().setMaxSingleUploadSizeLong((long) MIB)
                .setBlockSizeLong((long) MIB).setMaxConcurrency(4)), null, null);
        results.put("parallel", download(parallel, null));
        results.put("blocks", parallel.getBlockBlobClient().listBlocks(BlockListType.COMMITTED).getCommittedBlocks().size());
        BlobClient single = container.getBlobClient("single");
        single.upload(Content.data(20 * MIB, 6));
        results.put("single", download(single, null));
        results.put("single properties", Seen.properties(single.getProperties()));
        List<Object> rows = new ArrayList<>();
        for (BlobItem item : container.listBlobs()) {
            rows.add(Seen.item(item));
        }
        results.put("list", rows);
    }

    static void downloads(Service service, Results results) throws Exception {
        BlobClient blob = service.newContainer("downloads").getBlobClient("large");
        blob.upload(Content.data(40 * MIB, 3));
        results.put("default", download(blob, null));
        results.put("middle", download(blob, new BlobRange(13 * MIB + 17, 9L * MIB + 5)));
        results.put("open end", download(blob, new BlobRange(31 * MIB + 1)));
        results.put("content", Content.sha256(blob.downloadContent().toBytes()));
        results.put("file", toFile(blob));
        results.mustFail("beyond the end", () -> download(blob, new BlobRange(40L * MIB + 1000, 10L)));
        results.attempt("at the end", () -> download(blob, new BlobRange(40L * MIB, 10L)));
        Content.Digest part = new Content.Digest();
        BlobDownloadResponse answer =
            blob.downloadStreamWithResponse(part, new BlobRange(5 * MIB, 3L * MIB), null, null, true, null, null);
        results.put("range with md5", List.of(part.sha256(), Seen.base64(answer.getDeserializedHeaders().getContentMd5())));
    }

    private static Map<String, Object> download(BlobClient blob, BlobRange range) {
        Content.Digest body = new Content.Digest();
        BlobDownloadResponse answer = blob.downloadStreamWithResponse(body, range, null, null, false, null, null);
        BlobDownloadHeaders headers = answer.getDeserializedHeaders();
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("status", answer.getStatusCode());
        seen.put("bytes", body.count());
        seen.put("sha256", body.sha256());
        seen.put("content length", headers.getContentLength());
        seen.put("content range", headers.getContentRange());
        seen.put("md5", Seen.base64(headers.getContentMd5()));
        seen.put("md5 of the blob", Seen.base64(headers.getBlobContentMD5()));
        return seen;
    }

    private static Map<String, Object> toFile(BlobClient blob) throws Exception {
        Path directory = Files.createTempDirectory("sdk-java-");
        Path file = directory.resolve("large");
        try {
            com.azure.storage.common.ParallelTransferOptions parts =
                new com.azure.storage.common.ParallelTransferOptions().setBlockSizeLong(4L * MIB).setMaxConcurrency(4);
            Response<BlobProperties> answer = blob.downloadToFileWithResponse(
                new BlobDownloadToFileOptions(file.toString()).setParallelTransferOptions(parts), null, null);
            Map<String, Object> seen = new LinkedHashMap<>();
            seen.put("status", answer.getStatusCode());
            seen.put("sha256", Content.sha256(file));
            seen.put("properties", Seen.properties(answer.getValue()));
            return seen;
        } finally {
            Files.deleteIfExists(file);
            Files.delete(directory);
        }
    }

    static void retries(Service service, Results results) {
        String container = service.newContainer("retries").getBlobContainerName();
        RequestRetryOptions quick = new RequestRetryOptions(RetryPolicyType.EXPONENTIAL, 4, (Duration) null,
            Duration.ofMillis(20), Duration.ofMillis(100), null);
        BlobServiceClient flaky =
            service.builder(service.flakyEndpoint()).credential(service.credential()).retryOptions(quick).buildClient();
        BlobClient blob = flaky.getBlobContainerClient(container).getBlobClient("retry-1");
        blob.upload(Content.data(100_000, 8));
        results.put("tries", service.recorder().count("PUT", "/retry-1"));
        results.put("content", Content.sha256(service.client().getBlobContainerClient(container).getBlobClient("retry-1")
            .downloadContent().toBytes()));
    }
}
