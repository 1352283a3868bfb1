// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.http.rest.PagedIterable;
import com.azure.core.http.rest.PagedResponse;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobListDetails;
import com.azure.storage.blob.models.ListBlobsOptions;
import com.azure.storage.blob.options.BlobParallelUploadOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Lists of blobs: flat in pages, by directory. */
final class Listings {
    private static final int BLOBS = 25;

    private Listings() {
    }

    static void run(Service service, Results results) {
        BlobContainerClient container = service.newContainer("listings");
        for (int number = 0; number < BLOBS; number++) {
            String name = String.format(number < 5 ? "top-%2$02d" : "dir %1$d/sub/blob-%2$02d", number % 3, number);
            String parity = number % 2 == 0 ? "even" : "odd";
            container.getBlobClient(name).uploadWithResponse(new BlobParallelUploadOptions(Content.data(number, 1))
                .setMetadata(Map.of("number", "n" + number)).setTags(Map.of("parity", parity)), null, null);
        }
        ListBlobsOptions pages = new ListBlobsOptions().setMaxResultsPerPage(7);
        results.put("flat", rows(container.listBlobs(pages, null)));
        ListBlobsOptions details = new ListBlobsOptions()
            .setDetails(new BlobListDetails().setRetrieveMetadata(true).setRetrieveTags(true));
        results.put("details", rows(container.listBlobs(details, null)));
        results.put("prefix", rows(container.listBlobs(new ListBlobsOptions().setPrefix("dir 1/"), null)));
        results.put("top", rows(container.listBlobsByHierarchy("/", new ListBlobsOptions(), null)));
        results.put("directory", rows(container.listBlobsByHierarchy("/", new ListBlobsOptions().setPrefix("dir 2/sub/")
            .setMaxResultsPerPage(3), null)));
        results.put("nothing", rows(container.listBlobs(new ListBlobsOptions().setPrefix("none"), null)));
    }

    private static List<Object> rows(PagedIterable<BlobItem> pages) {
        List<Object> all = new ArrayList<>();
        for (PagedResponse<BlobItem> page : pages.iterableByPage()) {
            List<Object> rows = new ArrayList<>();
            for (BlobItem item : page.getElements()) {
                rows.add(Seen.item(item));
            }
            all.add(rows);
        }
        return all;
    }
}
