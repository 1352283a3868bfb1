// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.BlobRequestConditions;
import com.azure.storage.blob.options.BlobBreakLeaseOptions;
import com.azure.storage.blob.options.BlobParallelUploadOptions;
import com.azure.storage.blob.specialized.BlobLeaseClient;
import com.azure.storage.blob.specialized.BlobLeaseClientBuilder;
import java.time.Duration;

/** Leases on a blob and on a container. */
final class Leases {
    private static final String FIRST = "11111111-2222-3333-4444-555555555555";
    private static final String OTHER = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

    private Leases() {
    }

    static void run(Service service, Results results) {
        BlobContainerClient container = service.newContainer("leases");
        ofBlob(container, results);
        ofContainer(container, results);
    }

    private static void ofBlob(BlobContainerClient container, Results results) {
        BlobClient blob = container.getBlobClient("leased");
        blob.upload(Content.text("before"));
        BlobLeaseClient lease = new BlobLeaseClientBuilder().blobClient(blob).leaseId(FIRST).buildClient();
        results.put("acquired", lease.acquireLease(15).equals(FIRST));
        BlobLeaseClient second = new BlobLeaseClientBuilder().blobClient(blob).leaseId(OTHER).buildClient();
        results.mustFail("acquired by another", () -> second.acquireLease(15));
        results.mustFail("write without", () -> blob.upload(Content.text("without"), true));
        results.mustFail("write with another", () -> write(blob, OTHER));
        write(blob, FIRST);
        results.put("leased", Seen.properties(blob.getProperties()));
        results.put("renewed", lease.renewLease().equals(FIRST));
        results.put("changed", lease.changeLease(OTHER).equals(OTHER));
        results.mustFail("write with the former", () -> write(blob, FIRST));
        results.put("broken", lease.breakLeaseWithResponse(
            new BlobBreakLeaseOptions().setBreakPeriod(Duration.ZERO), null, null).getValue());
        results.put("state", Results.text(blob.getProperties().getLeaseState()));
        lease.releaseLease();
        results.put("released", Seen.properties(blob.getProperties()));
        blob.upload(Content.text("free again"), true);
    }

    private static void write(BlobClient blob, String leaseId) {
        blob.uploadWithResponse(new BlobParallelUploadOptions(Content.text("with a lease"))
            .setRequestConditions(new BlobRequestConditions().setLeaseId(leaseId)), null, null);
    }

    private static void ofContainer(BlobContainerClient container, Results results) {
        BlobLeaseClient lease = new BlobLeaseClientBuilder().containerClient(container).leaseId(FIRST).buildClient();
        lease.acquireLease(-1);
        results.put("container", Containers.properties(container.getProperties()));
        results.mustFail("delete without", container::delete);
        lease.releaseLease();
        results.put("container released", Containers.properties(container.getProperties()));
        container.delete();
    }
}
