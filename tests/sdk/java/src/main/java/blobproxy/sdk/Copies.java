// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.util.polling.PollResponse;
import com.azure.core.util.polling.SyncPoller;
import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.BlobCopyInfo;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.BlobRange;
import com.azure.storage.blob.models.BlockListType;
import com.azure.storage.blob.options.BlobBeginCopyOptions;
import com.azure.storage.blob.sas.BlobSasPermission;
import com.azure.storage.blob.sas.BlobServiceSasSignatureValues;
import com.azure.storage.blob.specialized.BlockBlobClient;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Copies that the service makes. */
final class Copies {
    private static final int SIZE = 300_000;

    private Copies() {
    }

    static void run(Service service, Results results) throws Exception {
        BlobContainerClient container = service.newContainer("copies");
        BlobClient source = container.getBlobClient("the source");
        source.upload(Content.data(SIZE, 4));
        source.setMetadata(Map.of("from", "source"));
        String signed = source.getBlobUrl() + "?" + source.generateSas(new BlobServiceSasSignatureValues(
            SharedAccess.EXPIRY, new BlobSasPermission().setReadPermission(true)));
        started(container.getBlobClient("started"), source.getBlobUrl(), results);
        synchronous(container.getBlobClient("synchronous"), signed, results);
        results.mustFail("missing source",
            () -> container.getBlobClient("none").copyFromUrl(signed.replace("the%20source", "missing")));
        results.attempt("block from URL", () -> fromUrl(container.getBlobClient("block").getBlockBlobClient(), signed));
        results.attempt("blob from URL", () -> {
            BlockBlobClient blob = container.getBlobClient("blob").getBlockBlobClient();
            blob.uploadFromUrl(signed);
            return Content.sha256(blob.downloadContent().toBytes());
        });
    }

    private static void started(BlobClient target, String source, Results results) {
        SyncPoller<BlobCopyInfo, Void> poller = target.beginCopy(new BlobBeginCopyOptions(source)
            .setMetadata(Map.of("from", "copy")).setPollInterval(Duration.ofMillis(50)));
        PollResponse<BlobCopyInfo> end = poller.waitForCompletion();
        results.put("started", List.of(end.getStatus().toString(), end.getValue().getCopyStatus().toString()));
        results.put("started properties", copied(target));
        String copyId = end.getValue().getCopyId();
        results.mustFail("abort", () -> target.abortCopyFromUrl(copyId));
    }

    private static void synchronous(BlobClient target, String source, Results results) throws Exception {
        results.attempt("synchronous", () -> {
            target.copyFromUrl(source);
            return copied(target);
        });
    }

    private static Map<String, Object> copied(BlobClient target) {
        BlobProperties properties = target.getProperties();
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("status", Results.text(properties.getCopyStatus()));
        seen.put("progress", properties.getCopyProgress());
        seen.put("has id", properties.getCopyId() != null);
        seen.put("has time", properties.getCopyCompletionTime() != null);
        seen.put("metadata", properties.getMetadata());
        seen.put("content", Content.sha256(target.downloadContent().toBytes()));
        return seen;
    }

    private static Object fromUrl(BlockBlobClient blob, String source) {
        blob.stageBlockFromUrl(Content.blockId(0), source, new BlobRange(1000, 5000L));
        int staged = blob.listBlocks(BlockListType.UNCOMMITTED).getUncommittedBlocks().size();
        blob.commitBlockList(List.of(Content.blockId(0)));
        return List.of(staged, Content.sha256(blob.downloadContent().toBytes()));
    }
}
