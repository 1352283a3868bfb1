// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobProperties;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** Properties of blobs as an application gets them, without what no two runs have in common. */
final class Seen {
    private Seen() {
    }

    static Map<String, Object> properties(BlobProperties blob) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("type", Results.text(blob.getBlobType()));
        seen.put("size", blob.getBlobSize());
        seen.put("content type", blob.getContentType());
        seen.put("content encoding", blob.getContentEncoding());
        seen.put("content language", blob.getContentLanguage());
        seen.put("content disposition", blob.getContentDisposition());
        seen.put("cache control", blob.getCacheControl());
        seen.put("md5", base64(blob.getContentMd5()));
        seen.put("metadata", new TreeMap<>(blob.getMetadata()));
        seen.put("tags", blob.getTagCount());
        seen.put("tier", Results.text(blob.getAccessTier()));
        seen.put("tier is inferred", blob.isAccessTierInferred());
        seen.put("lease", blob.getLeaseState() + " " + blob.getLeaseStatus() + " " + blob.getLeaseDuration());
        seen.put("sequence number", blob.getBlobSequenceNumber());
        seen.put("append blocks", blob.getCommittedBlockCount());
        seen.put("is sealed", blob.isSealed());
        seen.put("is encrypted", blob.isServerEncrypted());
        seen.put("has times", blob.getCreationTime() != null && blob.getLastModified() != null);
        return seen;
    }

    static Map<String, Object> item(BlobItem blob) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("name", blob.getName());
        if (Boolean.TRUE.equals(blob.isPrefix())) {
            seen.put("is prefix", true);
            return seen;
        }
        seen.put("is snapshot", blob.getSnapshot() != null);
        seen.put("type", Results.text(blob.getProperties().getBlobType()));
        seen.put("size", blob.getProperties().getContentLength());
        seen.put("content type", blob.getProperties().getContentType());
        seen.put("md5", base64(blob.getProperties().getContentMd5()));
        seen.put("tier", Results.text(blob.getProperties().getAccessTier()));
        seen.put("metadata", blob.getMetadata() == null ? null : new TreeMap<>(blob.getMetadata()));
        seen.put("tags", blob.getTags() == null ? null : new TreeMap<>(blob.getTags()));
        return seen;
    }

    static String base64(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
