// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobServiceClient;
import com.azure.storage.blob.models.BlobAccessPolicy;
import com.azure.storage.blob.models.BlobContainerItem;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobSignedIdentifier;
import com.azure.storage.blob.models.ListBlobContainersOptions;
import com.azure.storage.blob.sas.BlobContainerSasPermission;
import com.azure.storage.blob.sas.BlobSasPermission;
import com.azure.storage.blob.sas.BlobServiceSasSignatureValues;
import com.azure.storage.common.sas.AccountSasPermission;
import com.azure.storage.common.sas.AccountSasResourceType;
import com.azure.storage.common.sas.AccountSasService;
import com.azure.storage.common.sas.AccountSasSignatureValues;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;

/** Signatures that the SDK makes, used by clients without a key. */
final class SharedAccess {
    static final OffsetDateTime EXPIRY = OffsetDateTime.parse("2099-01-01T00:00:00Z");
    private static final OffsetDateTime PAST = OffsetDateTime.parse("2020-01-01T00:00:00Z");

    private SharedAccess() {
    }

    static void run(Service service, Results results) {
        BlobContainerClient container = service.newContainer("shared");
        container.getBlobClient("dir/a blob").upload(Content.text("shared"));
        ofBlob(service, container.getBlobClient("dir/a blob"), results);
        ofContainer(service, container, results);
        stored(service, container, results);
        ofAccount(service, container.getBlobContainerName(), results);
    }

    private static BlobClient read(Service service, BlobClient blob, OffsetDateTime expiry) {
        String sas = blob.generateSas(
            new BlobServiceSasSignatureValues(expiry, new BlobSasPermission().setReadPermission(true))
                .setContentDisposition("attachment; filename=\"x y.txt\"").setContentType("text/x-shared"));
        return service.blobAt(blob.getBlobUrl() + "?" + sas);
    }

    private static void ofBlob(Service service, BlobClient blob, Results results) {
        BlobClient client = read(service, blob, EXPIRY);
        results.put("blob", client.downloadContent().toString());
        results.put("blob properties", Seen.properties(client.getProperties()));
        results.mustFail("blob, wrong permission", () -> client.upload(Content.text("no"), true));
        results.mustFail("blob, expired", () -> read(service, blob, PAST).downloadContent());
        BlobClient other = blob.getContainerClient().getBlobClient("other");
        other.upload(Content.text("other"));
        String sas = blob.generateSas(
            new BlobServiceSasSignatureValues(EXPIRY, new BlobSasPermission().setReadPermission(true)));
        results.mustFail("blob, another one", () -> service.blobAt(other.getBlobUrl() + "?" + sas).downloadContent());
    }

    private static void ofContainer(Service service, BlobContainerClient container, Results results) {
        String sas = container.generateSas(
            new BlobServiceSasSignatureValues(EXPIRY, new BlobContainerSasPermission().setListPermission(true)));
        BlobContainerClient client = service.containerAt(container.getBlobContainerUrl() + "?" + sas);
        results.put("container", names(client));
        results.mustFail("container, wrong permission", () -> client.getBlobClient("other").downloadContent());
    }

    private static List<Object> names(BlobContainerClient container) {
        List<Object> names = new ArrayList<>();
        for (BlobItem item : container.listBlobs()) {
            names.add(item.getName());
        }
        return names;
    }

    private static void stored(Service service, BlobContainerClient container, Results results) {
        BlobAccessPolicy policy = new BlobAccessPolicy().setPermissions("rl").setExpiresOn(EXPIRY);
        container.setAccessPolicy(null, List.of(new BlobSignedIdentifier().setId("readers").setAccessPolicy(policy)));
        String url = container.getBlobContainerUrl() + "?";
        BlobContainerClient client =
            service.containerAt(url + container.generateSas(new BlobServiceSasSignatureValues("readers")));
        results.put("stored policy", names(client));
        results.put("stored policy, read", client.getBlobClient("other").downloadContent().toString());
        results.mustFail("stored policy, write", () -> client.getBlobClient("other").upload(Content.text("no"), true));
        results.mustFail("no such policy", () -> names(
            service.containerAt(url + container.generateSas(new BlobServiceSasSignatureValues("nobody")))));
    }

    private static void ofAccount(Service service, String container, Results results) {
        String sas = service.client().generateAccountSas(new AccountSasSignatureValues(EXPIRY,
            new AccountSasPermission().setReadPermission(true).setListPermission(true),
            new AccountSasService().setBlobAccess(true),
            new AccountSasResourceType().setService(true).setContainer(true).setObject(true)));
        BlobServiceClient client = service.builder(service.endpoint()).sasToken(sas).buildClient();
        List<Object> names = new ArrayList<>();
        for (BlobContainerItem item : client.listBlobContainers(new ListBlobContainersOptions().setPrefix(container), null)) {
            names.add(item.getName());
        }
        results.put("account", names);
        BlobClient blob = client.getBlobContainerClient(container).getBlobClient("other");
        results.put("account, read", blob.downloadContent().toString());
        results.mustFail("account, wrong permission", blob::delete);
    }
}
