// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import com.azure.core.http.HttpClient;
import com.azure.core.http.netty.NettyAsyncHttpClientBuilder;
import com.azure.core.http.rest.PagedResponse;
import com.azure.core.util.Configuration;
import com.azure.storage.blob.BlobServiceClient;
import com.azure.storage.blob.models.BlobAnalyticsLogging;
import com.azure.storage.blob.models.BlobContainerItem;
import com.azure.storage.blob.models.BlobCorsRule;
import com.azure.storage.blob.models.BlobMetrics;
import com.azure.storage.blob.models.BlobRetentionPolicy;
import com.azure.storage.blob.models.BlobServiceProperties;
import com.azure.storage.blob.models.ListBlobContainersOptions;
import com.azure.storage.blob.models.StorageAccountInfo;
import com.azure.storage.blob.models.UserDelegationKey;
import io.netty.handler.ssl.SslContextBuilder;
import java.io.File;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLException;
import reactor.core.publisher.Mono;

/** What concerns the whole account. */
final class ServiceLevel {
    private ServiceLevel() {
    }

    static void run(Service service, Results results) throws Exception {
        BlobServiceClient client = service.client();
        client.setProperties(properties());
        results.put("properties", seen(client.getProperties()));
        StorageAccountInfo info = client.getAccountInfo();
        results.put("account", List.of(info.getSkuName().toString(), info.getAccountKind().toString(),
            info.isHierarchicalNamespaceEnabled()));
        for (int number = 0; number < 5; number++) {
            service.newContainer("service-" + number);
        }
        results.put("containers", pages(service));
        if (service.tlsEndpoint().isPresent() && service.authorityFile().isPresent()) {
            withToken(service, results);
        }
    }

    private static BlobServiceProperties properties() {
        BlobRetentionPolicy none = new BlobRetentionPolicy().setEnabled(false);
        BlobMetrics metrics = new BlobMetrics().setEnabled(true).setIncludeApis(true).setVersion("1.0").setRetentionPolicy(none);
        return new BlobServiceProperties()
            .setLogging(new BlobAnalyticsLogging().setRead(true).setWrite(true).setDelete(false).setVersion("1.0")
                .setRetentionPolicy(none))
            .setHourMetrics(metrics).setMinuteMetrics(metrics).setDeleteRetentionPolicy(none)
            .setDefaultServiceVersion("2020-10-02")
            .setCors(List.of(new BlobCorsRule().setAllowedOrigins("http://example.org").setAllowedMethods("GET,PUT")
                .setAllowedHeaders("x-ms-*").setExposedHeaders("x-ms-*").setMaxAgeInSeconds(60)));
    }

    private static Map<String, Object> seen(BlobServiceProperties properties) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("version", properties.getDefaultServiceVersion());
        seen.put("logging", List.of(properties.getLogging().isRead(), properties.getLogging().isWrite(),
            properties.getLogging().isDelete()));
        seen.put("metrics", List.of(properties.getHourMetrics().isEnabled(), properties.getMinuteMetrics().isEnabled()));
        seen.put("retention", properties.getDeleteRetentionPolicy().isEnabled());
        List<Object> rules = new ArrayList<>();
        for (BlobCorsRule rule : properties.getCors()) {
            rules.add(List.of(rule.getAllowedOrigins(), rule.getAllowedMethods(), rule.getAllowedHeaders(),
                rule.getExposedHeaders(), rule.getMaxAgeInSeconds()));
        }
        seen.put("cors", rules);
        return seen;
    }

    private static List<Object> pages(Service service) {
        List<Object> all = new ArrayList<>();
        ListBlobContainersOptions options =
            new ListBlobContainersOptions().setPrefix(service.name("service-")).setMaxResultsPerPage(2);
        for (PagedResponse<BlobContainerItem> page : service.client().listBlobContainers(options, null).iterableByPage()) {
            List<Object> names = new ArrayList<>();
            for (BlobContainerItem item : page.getElements()) {
                names.add(item.getName());
            }
            all.add(names);
        }
        return all;
    }

    private static void withToken(Service service, Results results) throws Exception {
        BlobServiceClient client = service.builder(service.tlsEndpoint().orElseThrow())
            .httpClient(trusting(service.authorityFile().orElseThrow())).credential(credential(service.token())).buildClient();
        OffsetDateTime now = OffsetDateTime.now();
        UserDelegationKey key = client.getUserDelegationKey(now.minusMinutes(5), now.plusHours(1));
        results.put("delegation key", List.of(key.getSignedService(), key.getValue() != null, key.getSignedObjectId() != null,
            key.getSignedTenantId() != null, key.getSignedStart() != null, key.getSignedExpiry() != null));
        results.put("by token", client.getBlobContainerClient(service.name("service-0")).exists());
    }

    private static HttpClient trusting(String authorityFile) throws SSLException {
        var context = SslContextBuilder.forClient().trustManager(new File(authorityFile)).build();
        return new NettyAsyncHttpClientBuilder(
            reactor.netty.http.client.HttpClient.create().secure(options -> options.sslContext(context)))
            .configuration(Configuration.NONE).build();
    }

    private static TokenCredential credential(String token) {
        AccessToken access = new AccessToken(token, OffsetDateTime.now().plusHours(1));
        return request -> Mono.just(access);
    }
}
