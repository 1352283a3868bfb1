// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.models.BlobRange;
import com.azure.storage.blob.models.PageRange;
import com.azure.storage.blob.models.PageRangeItem;
import com.azure.storage.blob.models.SequenceNumberActionType;
import com.azure.storage.blob.specialized.PageBlobClient;
import java.util.ArrayList;
import java.util.List;

/** Page blobs. */
final class PageBlobs {
    private PageBlobs() {
    }

    static void run(Service service, Results results) {
        PageBlobClient blob = service.newContainer("pages").getBlobClient("disk").getPageBlobClient();
        blob.create(4096);
        blob.uploadPages(new PageRange().setStart(0).setEnd(511), Content.stream(512, 1));
        blob.uploadPages(new PageRange().setStart(1024).setEnd(2047), Content.stream(1024, 2));
        results.put("written", ranges(blob));
        blob.clearPages(new PageRange().setStart(1024).setEnd(1535));
        results.put("cleared", ranges(blob));
        blob.resize(8192);
        blob.updateSequenceNumber(SequenceNumberActionType.UPDATE, 7L);
        results.put("properties", Seen.properties(blob.getProperties()));
        blob.updateSequenceNumber(SequenceNumberActionType.INCREMENT, null);
        results.put("sequence number", blob.getProperties().getBlobSequenceNumber());
        Content.Digest part = new Content.Digest();
        blob.downloadStreamWithResponse(part, new BlobRange(256, 1500L), null, null, false, null, null);
        results.put("range", List.of(part.count(), part.sha256()));
        results.put("whole", Content.sha256(blob.downloadContent().toBytes()));
    }

    private static List<Object> ranges(PageBlobClient blob) {
        List<Object> rows = new ArrayList<>();
        for (PageRangeItem item : blob.listPageRanges(new BlobRange(0))) {
            rows.add(List.of(item.getRange().toString(), item.isClear()));
        }
        return rows;
    }
}
