// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.AppendBlobItem;
import com.azure.storage.blob.models.AppendBlobRequestConditions;
import com.azure.storage.blob.options.AppendBlobAppendBlockOptions;
import com.azure.storage.blob.specialized.AppendBlobClient;
import java.util.ArrayList;
import java.util.List;

/** Append blobs. */
final class AppendBlobs {
    private static final int PIECE = 700;

    private AppendBlobs() {
    }

    static void run(Service service, Results results) throws Exception {
        BlobContainerClient container = service.newContainer("appends");
        AppendBlobClient blob = container.getBlobClient("log").getAppendBlobClient();
        blob.create();
        List<Object> appended = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            AppendBlobItem item = blob.appendBlock(Content.stream(PIECE, number), PIECE);
            appended.add(List.of(item.getBlobAppendOffset(), item.getBlobCommittedBlockCount()));
        }
        results.put("appended", appended);
        results.mustFail("wrong position", () -> append(blob, new AppendBlobRequestConditions().setAppendPosition(1L)));
        results.mustFail("too large", () -> append(blob, new AppendBlobRequestConditions().setMaxSize(3L * PIECE)));
        append(blob, new AppendBlobRequestConditions().setAppendPosition(3L * PIECE));
        results.attempt("seal", () -> {
            blob.seal();
            return "sealed";
        });
        results.attempt("append afterwards", () -> {
            append(blob, null);
            return "appended";
        });
        results.put("properties", Seen.properties(blob.getProperties()));
        results.put("content", Content.sha256(blob.downloadContent().toBytes()));
    }

    private static void append(AppendBlobClient blob, AppendBlobRequestConditions conditions) {
        blob.appendBlockWithResponse(new AppendBlobAppendBlockOptions(Content.data(PIECE, 9))
            .setRequestConditions(conditions), null, null);
    }
}
