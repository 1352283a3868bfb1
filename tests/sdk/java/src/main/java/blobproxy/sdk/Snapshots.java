// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobListDetails;
import com.azure.storage.blob.models.DeleteSnapshotsOptionType;
import com.azure.storage.blob.models.ListBlobsOptions;
import com.azure.storage.blob.specialized.BlobClientBase;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Snapshots of a blob. */
final class Snapshots {
    private Snapshots() {
    }

    static void run(Service service, Results results) {
        BlobContainerClient container = service.newContainer("snapshots");
        BlobClient blob = container.getBlobClient("kept");
        blob.upload(Content.text("before"));
        BlobClientBase snapshot = blob.createSnapshotWithResponse(Map.of("why", "test"), null, null, null).getValue();
        blob.upload(Content.text("afterwards"), true);
        results.put("snapshot", snapshot.downloadContent().toString());
        results.put("snapshot properties", Seen.properties(snapshot.getProperties()));
        results.put("blob", blob.downloadContent().toString());
        results.put("list", list(container));
        results.mustFail("delete without", blob::delete);
        blob.deleteWithResponse(DeleteSnapshotsOptionType.INCLUDE, null, null, null);
        results.put("list afterwards", list(container));
        results.mustFail("snapshot afterwards", snapshot::downloadContent);
    }

    private static List<Object> list(BlobContainerClient container) {
        ListBlobsOptions options =
            new ListBlobsOptions().setDetails(new BlobListDetails().setRetrieveSnapshots(true).setRetrieveMetadata(true));
        List<Object> rows = new ArrayList<>();
        for (BlobItem item : container.listBlobs(options, null)) {
            rows.add(Seen.item(item));
        }
        return rows;
    }
}
