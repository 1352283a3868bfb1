// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobServiceClient;
import com.azure.storage.blob.models.BlobRange;
import com.azure.storage.blob.models.PageRange;
import com.azure.storage.blob.specialized.PageBlobClient;
import com.azure.storage.common.StorageSharedKeyCredential;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/** Refusals, as typed exceptions. */
final class Errors {
    private Errors() {
    }

    static void run(Service service, Results results) {
        BlobContainerClient container = service.newContainer("errors");
        missing(service, container, results);
        wrongKey(service, container.getBlobContainerName(), results);
        BlobClient blob = container.getBlobClient("block");
        blob.upload(Content.text("block"));
        results.mustFail("invalid block list",
            () -> blob.getBlockBlobClient().commitBlockList(List.of(Content.blockId(77)), true));
        results.mustFail("blob type",
            () -> blob.getAppendBlobClient().appendBlock(Content.stream(10, 0), 10));
        results.mustFail("metadata name", () -> blob.setMetadata(Map.of("not-a-name", "value")));
        results.mustFail("block id", () -> blob.getBlockBlobClient().stageBlock("not base64!", Content.text("x")));
        pages(container.getBlobClient("pages").getPageBlobClient(), results);
    }

    private static void missing(Service service, BlobContainerClient container, Results results) {
        BlobContainerClient none = service.client().getBlobContainerClient(service.name("none"));
        results.mustFail("container not found", () -> none.listBlobs().forEach(item -> { }));
        results.mustFail("container not found, head", none::getProperties);
        results.mustFail("container not found, put", () -> none.getBlobClient("blob").upload(Content.text("x"), true));
        results.mustFail("blob not found", () -> container.getBlobClient("missing").downloadContent());
        results.mustFail("blob not found, head", () -> container.getBlobClient("missing").getProperties());
        results.mustFail("container name", () -> service.client().createBlobContainer("Not_A_Name"));
    }

    private static void wrongKey(Service service, String container, Results results) {
        String account = service.credential().getAccountName();
        String key = Base64.getEncoder().encodeToString(Content.bytes(64, 1));
        BlobServiceClient stranger =
            service.builder(service.endpoint()).credential(new StorageSharedKeyCredential(account, key)).buildClient();
        results.mustFail("wrong key", () -> stranger.getBlobContainerClient(container).getProperties());
        results.mustFail("wrong key, list", () -> stranger.getBlobContainerClient(container).listBlobs().forEach(item -> { }));
        results.mustFail("wrong key, put",
            () -> stranger.getBlobContainerClient(container).getBlobClient("blob").upload(Content.text("x"), true));
    }

    private static void pages(PageBlobClient blob, Results results) {
        results.mustFail("page blob size", () -> blob.create(1000));
        blob.create(4096);
        results.mustFail("pages not aligned",
            () -> blob.uploadPages(new PageRange().setStart(100).setEnd(611), Content.stream(512, 0)));
        results.mustFail("pages beyond the end",
            () -> blob.uploadPages(new PageRange().setStart(4096).setEnd(4607), Content.stream(512, 0)));
        results.mustFail("page ranges beyond the end",
            () -> blob.listPageRanges(new BlobRange(8192, 512L)).forEach(item -> { }));
    }
}
