// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.AccessTier;
import com.azure.storage.blob.models.BlobHttpHeaders;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.Block;
import com.azure.storage.blob.models.BlockList;
import com.azure.storage.blob.models.BlockListType;
import com.azure.storage.blob.options.BlobParallelUploadOptions;
import com.azure.storage.blob.specialized.BlockBlobClient;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Block blobs: whole, in blocks, under difficult names, empty. */
final class BlockBlobs {
    private static final List<String> NAMES = List.of("with blanks in it", "100%", "100%25", "a+b", "a#b", "a?b=c&d",
        "gr\u00fc\u00df-\u6587\u5b57-\ud83d\ude00", "a//b", "~()!*", "dir/sub.txt");

    private BlockBlobs() {
    }

    static void run(Service service, Results results) {
        BlobContainerClient container = service.newContainer("blocks");
        whole(container, results);
        inBlocks(container, results);
        names(service.newContainer("names"), results);
        empty(container, results);
    }

    private static void whole(BlobContainerClient container, Results results) {
        BlobClient blob = container.getBlobClient("small.txt");
        BlobHttpHeaders headers = new BlobHttpHeaders().setContentType("text/plain; charset=utf-8").setContentLanguage("de")
            .setContentDisposition("inline").setCacheControl("no-cache").setContentEncoding("identity");
        blob.uploadWithResponse(new BlobParallelUploadOptions(Content.text("small text")).setHeaders(headers)
            .setMetadata(Map.of("first", "1", "Second", "two words")).setTags(Map.of("color", "red", "size", "s"))
            .setTier(AccessTier.COOL), null, null);
        results.put("properties", Seen.properties(blob.getProperties()));
        results.put("content", blob.downloadContent().toString());
        results.mustFail("no overwriting", () -> blob.upload(Content.text("other")));
        blob.upload(Content.text("overwritten"), true);
        results.put("overwritten", Seen.properties(blob.getProperties()));
        blob.setHttpHeaders(new BlobHttpHeaders().setContentType("application/json").setCacheControl("max-age=60"));
        blob.setMetadata(Map.of("third", "3"));
        results.put("changed", Seen.properties(blob.getProperties()));
        blob.setAccessTier(AccessTier.COOL);
        results.put("tier", Results.text(blob.getProperties().getAccessTier()));
        blob.delete();
        results.put("exists", blob.exists());
    }

    private static void inBlocks(BlobContainerClient container, Results results) {
        BlockBlobClient blob = container.getBlobClient("in-blocks").getBlockBlobClient();
        List<String> ids = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            ids.add(Content.blockId(number));
            blob.stageBlock(ids.get(number), Content.data(1000 + number, number));
        }
        results.put("staged", blocks(blob.listBlocks(BlockListType.ALL)));
        blob.commitBlockList(ids);
        results.put("committed", blocks(blob.listBlocks(BlockListType.ALL)));
        results.put("blocks", Content.sha256(blob.downloadContent().toBytes()));
    }

    private static Map<String, Object> blocks(BlockList list) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("committed", rows(list.getCommittedBlocks()));
        seen.put("uncommitted", rows(list.getUncommittedBlocks()));
        return seen;
    }

    private static List<Object> rows(List<Block> blocks) {
        List<Object> rows = new ArrayList<>();
        for (Block block : blocks) {
            rows.add(List.of(block.getName(), block.getSizeLong()));
        }
        return rows;
    }

    private static void names(BlobContainerClient container, Results results) {
        List<Object> contents = new ArrayList<>();
        for (String name : NAMES) {
            BlobClient blob = container.getBlobClient(name);
            blob.upload(Content.text("content of " + name));
            contents.add(List.of(blob.getBlobName(), blob.downloadContent().toString(), blob.getProperties().getBlobSize()));
        }
        results.put("names", contents);
        List<Object> listed = new ArrayList<>();
        for (BlobItem item : container.listBlobs()) {
            listed.add(item.getName());
        }
        results.put("listed names", listed);
        container.getBlobClient(NAMES.get(0)).delete();
        results.put("deleted name", container.getBlobClient(NAMES.get(0)).exists());
    }

    private static void empty(BlobContainerClient container, Results results) {
        BlobClient blob = container.getBlobClient("empty");
        blob.upload(Content.data(0, 0));
        results.put("empty", Seen.properties(blob.getProperties()));
        results.put("empty content", blob.downloadContent().toBytes().length);
        blob.delete();
        results.mustFail("deleted again", blob::delete);
    }
}
