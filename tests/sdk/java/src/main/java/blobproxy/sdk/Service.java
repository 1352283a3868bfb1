// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.http.HttpClient;
import com.azure.core.http.netty.NettyAsyncHttpClientBuilder;
import com.azure.core.util.Configuration;
import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobClientBuilder;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.blob.BlobServiceClient;
import com.azure.storage.blob.BlobServiceClientBuilder;
import com.azure.storage.common.StorageSharedKeyCredential;
import java.util.Map;
import java.util.Optional;

/** The account that the environment names, and clients of it, all of which the recorder watches. */
final class Service {
    private final Map<String, String> environment;
    private final Recorder recorder = new Recorder();
    // Loopback addresses need no HTTP proxy, whatever the environment says.
    private final HttpClient http = new NettyAsyncHttpClientBuilder().configuration(Configuration.NONE).build();
    private final BlobServiceClient client;

    private Service(Map<String, String> environment) {
        this.environment = environment;
        client = keyed(endpoint());
    }

    static Service ofEnvironment(Map<String, String> environment) {
        return new Service(environment);
    }

    private String required(String name) {
        String value = environment.get(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalArgumentException("environment variable " + name + " is not set");
        }
        return value;
    }

    private Optional<String> optional(String name) {
        return Optional.ofNullable(environment.get(name)).filter(value -> !value.isEmpty());
    }

    String endpoint() {
        return required("SDK_ENDPOINT");
    }

    String flakyEndpoint() {
        return required("SDK_FLAKY_ENDPOINT");
    }

    Optional<String> tlsEndpoint() {
        return optional("SDK_TLS_ENDPOINT");
    }

    /** PEM file of the authority that vouches for the TLS endpoint. */
    Optional<String> authorityFile() {
        return optional("SDK_CA_FILE");
    }

    /** A bearer token that the TLS endpoint takes. */
    String token() {
        return required("SDK_TOKEN");
    }

    StorageSharedKeyCredential credential() {
        return new StorageSharedKeyCredential(required("SDK_ACCOUNT"), required("SDK_KEY"));
    }

    String name(String container) {
        return required("SDK_PREFIX") + container;
    }

    Recorder recorder() {
        return recorder;
    }

    /** Signed with the account's key, otherwise as the SDK has it. */
    BlobServiceClient client() {
        return client;
    }

    BlobServiceClient keyed(String endpoint) {
        return builder(endpoint).credential(credential()).buildClient();
    }

    /** Without a credential. */
    BlobServiceClientBuilder builder(String endpoint) {
        return new BlobServiceClientBuilder().endpoint(endpoint).httpClient(http).addPolicy(recorder);
    }

    /** A client that knows a URL only: of a public blob, or with a SAS. */
    BlobClient blobAt(String url) {
        return new BlobClientBuilder().endpoint(url).httpClient(http).addPolicy(recorder).buildClient();
    }

    BlobContainerClient containerAt(String url) {
        return new BlobContainerClientBuilder().endpoint(url).httpClient(http).addPolicy(recorder).buildClient();
    }

    BlobContainerClient newContainer(String container) {
        return client.createBlobContainer(name(container));
    }
}
