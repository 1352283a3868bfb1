// SPDX-License-Identifier: MIT
// What is made of blobs: snapshots, tags, batches, copies.

import { BlobSASPermissions } from "@azure/storage-blob";
import { all, content, credential, hash, plain } from "./record.mjs";

export async function snapshots(run) {
  const container = await run.newContainer();
  const blob = container.getBlockBlobClient("blob");
  await blob.upload("old", 3);
  const { snapshot } = await run.keep("create", blob.createSnapshot({ metadata: { made: "here" } }));
  await blob.upload("newer", 5);
  const old = blob.withSnapshot(snapshot);
  run.results.old = hash(await old.downloadToBuffer());
  await run.keep("old_properties", old.getProperties());
  run.results.new = hash(await blob.downloadToBuffer());
  run.results.list = plain(await all(container.listBlobsFlat({ includeSnapshots: true })));
  await run.fails("delete_without", 409, blob.delete());
  await run.keep("delete_include", blob.delete({ deleteSnapshots: "include" }));
  run.results.rest = plain(await all(container.listBlobsFlat({ includeSnapshots: true })));
}

export async function tags(run) {
  const container = await run.newContainer();
  for (const name of ["a", "b", "c"]) await container.getBlockBlobClient(name).upload(name, 1);
  const blob = container.getBlobClient("a");
  await run.keep("set", blob.setTags({ "matrix-kind": "wanted", "with blank": "x/y=z:1+2" }));
  await run.keep("get", blob.getTags());
  await container.getBlobClient("b").setTags({ "matrix-kind": "other" });
  await container.getBlobClient("c").setTags({ "matrix-kind": "wanted" });
  await run.keep("properties", blob.getProperties());
  const query = `"matrix-kind"='wanted'`;
  run.results.account = plain(await all(run.service().findBlobsByTags(query)));
  run.results.container = plain(await all(container.findBlobsByTags(query)));
  await run.keep("clear", blob.setTags({}));
  await run.keep("none", blob.getTags());
}

function parts(response) {
  return {
    succeeded: response.subResponsesSucceededCount,
    failed: response.subResponsesFailedCount,
    parts: response.subResponses.map((part) => [part.status, part.statusMessage, part.errorCode ?? null]),
  };
}

export async function batch(run) {
  const container = await run.newContainer();
  const names = ["a", "b ü", "c", "d", "e"];
  for (const name of names) await container.getBlockBlobClient(name).upload(name, Buffer.byteLength(name));
  const urls = (...wanted) => wanted.map((name) => container.getBlobClient(name).url);
  const account = run.service().getBlobBatchClient();
  const inContainer = container.getBlobBatchClient();
  run.results.tiers = parts(await account.setBlobsAccessTier(urls("a", "b ü", "c"), credential, "Cool"));
  run.results.deletes = parts(await account.deleteBlobs(urls("a", "b ü", "c"), credential));
  run.results.partly = parts(await account.deleteBlobs(urls("d", "missing"), credential));
  run.results.container = parts(await inContainer.deleteBlobs(urls("e"), credential));
  run.results.rest = plain(await all(container.listBlobsFlat()));
}

export async function copy(run) {
  const container = await run.newContainer();
  const source = container.getBlockBlobClient("source ü");
  await source.upload(content(5000, 4), 5000, { metadata: { from: "source" }, blobHTTPHeaders: { blobContentType: "text/x-source" } });
  const target = container.getBlockBlobClient("target");
  const poller = await target.beginCopyFromURL(source.url, { intervalInMs: 10 });
  const done = await run.keep("copy", poller.pollUntilDone());
  await run.keep("properties", target.getProperties());
  run.results.hash = hash(await target.downloadToBuffer());
  await run.fails("abort_finished", 409, target.abortCopyFromURL(done.copyId));

  const expiresOn = new Date(Date.now() + 3600_000);
  const url = await source.generateSasUrl({ permissions: BlobSASPermissions.parse("r"), expiresOn });
  const bySas = container.getBlockBlobClient("by sas");
  await run.keep("copy_by_sas", (await bySas.beginCopyFromURL(url, { intervalInMs: 10 })).pollUntilDone());
  const synced = container.getBlockBlobClient("synced");
  await run.keep("sync", synced.syncCopyFromURL(url, { metadata: { own: "1" } }));
  await run.keep("sync_properties", synced.getProperties());
  run.results.sync_hash = hash(await synced.downloadToBuffer());
  await run.fails("source_missing", 404, container.getBlobClient("x").syncCopyFromURL(url.replace("source", "nosource")));
}
