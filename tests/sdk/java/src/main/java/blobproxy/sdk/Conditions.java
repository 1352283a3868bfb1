// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.BlobRequestConditions;
import com.azure.storage.blob.options.BlobParallelUploadOptions;
import java.time.OffsetDateTime;
import java.util.Map;

/** Conditional reads and writes. */
final class Conditions {
    private static final String WRONG = "\"0x8D0000000000000\"";

    private Conditions() {
    }

    static void run(Service service, Results results) throws Exception {
        BlobClient blob = service.newContainer("conditions").getBlobClient("guarded");
        blob.uploadWithResponse(new BlobParallelUploadOptions(Content.text("guarded")).setTags(Map.of("color", "red")), null, null);
        reads(blob, results);
        writes(blob, results);
        tags(blob, results);
    }

    private static BlobRequestConditions none() {
        return new BlobRequestConditions();
    }

    private static void reads(BlobClient blob, Results results) throws Exception {
        BlobProperties now = blob.getProperties();
        OffsetDateTime then = now.getLastModified();
        results.put("get if match", get(blob, none().setIfMatch(now.getETag())));
        results.mustFail("get if match, wrong", () -> get(blob, none().setIfMatch(WRONG)));
        results.put("get if none match, wrong", get(blob, none().setIfNoneMatch(WRONG)));
        results.mustFail("get if none match", () -> get(blob, none().setIfNoneMatch(now.getETag())));
        results.mustFail("head if none match", () -> head(blob, none().setIfNoneMatch(now.getETag())));
        results.put("get if modified", get(blob, none().setIfModifiedSince(then.minusHours(1))));
        results.mustFail("get if modified, not", () -> get(blob, none().setIfModifiedSince(then)));
        results.put("get if unmodified", get(blob, none().setIfUnmodifiedSince(then)));
        results.mustFail("get if unmodified, not", () -> get(blob, none().setIfUnmodifiedSince(then.minusHours(1))));
        results.mustFail("head if unmodified, not", () -> head(blob, none().setIfUnmodifiedSince(then.minusHours(1))));
    }

    private static void writes(BlobClient blob, Results results) {
        put(blob, none().setIfMatch(blob.getProperties().getETag()));
        results.mustFail("put if match, wrong", () -> put(blob, none().setIfMatch(WRONG)));
        results.mustFail("put if none match", () -> put(blob, none().setIfNoneMatch(blob.getProperties().getETag())));
        OffsetDateTime then = blob.getProperties().getLastModified();
        put(blob, none().setIfUnmodifiedSince(then.plusHours(1)));
        results.mustFail("put if unmodified, not", () -> put(blob, none().setIfUnmodifiedSince(then.minusHours(1))));
        put(blob, none().setIfModifiedSince(then.minusHours(1)));
        results.mustFail("put if modified, not", () -> put(blob, none().setIfModifiedSince(then.plusHours(1))));
        results.put("content", blob.downloadContent().toString());
    }

    private static void tags(BlobClient blob, Results results) throws Exception {
        results.attempt("get if tags", () -> get(blob, none().setTagsConditions("\"color\" = 'green'")));
        results.attempt("get if tags, wrong", () -> get(blob, none().setTagsConditions("\"color\" = 'blue'")));
    }

    private static String get(BlobClient blob, BlobRequestConditions conditions) {
        return blob.downloadContentWithResponse(null, conditions, null, null).getValue().toString();
    }

    private static void head(BlobClient blob, BlobRequestConditions conditions) {
        blob.getPropertiesWithResponse(conditions, null, null);
    }

    private static void put(BlobClient blob, BlobRequestConditions conditions) {
        blob.uploadWithResponse(new BlobParallelUploadOptions(Content.text("changed")).setTags(Map.of("color", "green"))
            .setRequestConditions(conditions), null, null);
    }
}
