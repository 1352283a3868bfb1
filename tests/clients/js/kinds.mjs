// SPDX-License-Identifier: MIT
// Append blobs, page blobs, block lists, snapshots and copies.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { step } from "./tap.mjs";

async function blockSteps(container) {
  const blob = container.getBlockBlobClient("blocks");
  const id = (number) => Buffer.from(String(number).padStart(6, "0")).toString("base64");
  await step("staged blocks stand in the uncommitted list", async () => {
    await blob.stageBlock(id(1), "one,", 4);
    await blob.stageBlock(id(2), "two,", 4);
    await blob.stageBlock(id(3), "three", 5);
    const list = await blob.getBlockList("uncommitted");
    assert.deepEqual(list.uncommittedBlocks.map((block) => block.name).sort(), [id(1), id(2), id(3)]);
    await assert.rejects(blob.download(), { statusCode: 404, code: "BlobNotFound" });
  });
  await step("committing decides the order and drops the rest", async () => {
    await blob.commitBlockList([id(3), id(1)]);
    assert.equal((await blob.downloadToBuffer()).toString(), "threeone,");
    const list = await blob.getBlockList("all");
    assert.deepEqual(list.committedBlocks.map((block) => block.name), [id(3), id(1)]);
    assert.deepEqual(list.uncommittedBlocks ?? [], []);
  });
  await step("committing an unknown block is 400 InvalidBlockList", () =>
    assert.rejects(blob.commitBlockList([id(9)]), { statusCode: 400, code: "InvalidBlockList" }),
  );
}

async function appendSteps(container) {
  const blob = container.getAppendBlobClient("append");
  await step("append blob: create, append twice, read", async () => {
    await blob.create();
    assert.equal((await blob.appendBlock("first;", 6)).blobAppendOffset, "0");
    assert.equal((await blob.appendBlock("second", 6)).blobAppendOffset, "6");
    assert.equal((await blob.downloadToBuffer()).toString(), "first;second");
    assert.equal((await blob.getProperties()).blobCommittedBlockCount, 2);
  });
  await step("append at another position is 412 AppendPositionConditionNotMet", () =>
    assert.rejects(blob.appendBlock("x", 1, { conditions: { appendPosition: 5 } }), {
      statusCode: 412,
      code: "AppendPositionConditionNotMet",
    }),
  );
  await step("a block on an append blob is 409 InvalidBlobType", () =>
    assert.rejects(container.getBlockBlobClient("append").stageBlock("AAAA", "x", 1), {
      statusCode: 409,
      code: "InvalidBlobType",
    }),
  );
}

async function pageSteps(container) {
  const blob = container.getPageBlobClient("page");
  const pages = randomBytes(1024);
  // The SDK takes the last byte's number for the end, so its count is one short: 1024..2047 is "1023".
  const ranges = async () => (await blob.getPageRanges()).pageRange;
  await step("page blob: create, write, page ranges, read", async () => {
    await blob.create(8192);
    await blob.uploadPages(pages, 1024, 1024);
    await blob.uploadPages(pages, 4096, 1024);
    assert.deepEqual(await ranges(), [
      { offset: 1024, count: 1023 },
      { offset: 4096, count: 1023 },
    ]);
    const want = Buffer.alloc(8192);
    pages.copy(want, 1024);
    pages.copy(want, 4096);
    assert.ok((await blob.downloadToBuffer()).equals(want));
  });
  await step("page blob: clear and resize", async () => {
    await blob.clearPages(1024, 1024);
    await blob.resize(5120);
    assert.deepEqual(await ranges(), [{ offset: 4096, count: 1023 }]);
    assert.equal((await blob.getProperties()).contentLength, 5120);
  });
}

async function versionSteps(container) {
  const blob = container.getBlockBlobClient("versions");
  await step("a snapshot keeps the old contents", async () => {
    await blob.upload("old", 3);
    const { snapshot } = await blob.createSnapshot();
    await blob.upload("newer", 5);
    assert.equal((await blob.withSnapshot(snapshot).downloadToBuffer()).toString(), "old");
    assert.equal((await blob.downloadToBuffer()).toString(), "newer");
    const items = [];
    for await (const item of container.listBlobsFlat({ prefix: "versions", includeSnapshots: true })) items.push(item.snapshot);
    assert.deepEqual(items.filter(Boolean), [snapshot]);
    assert.equal(items.length, 2);
  });
  await step("deleting a blob with snapshots needs the word: 409 SnapshotsPresent", async () => {
    await assert.rejects(blob.delete(), { statusCode: 409, code: "SnapshotsPresent" });
    await blob.delete({ deleteSnapshots: "include" });
    assert.equal(await blob.exists(), false);
  });
  await step("copy inside the store", async () => {
    const source = container.getBlockBlobClient("copy source ü");
    await source.upload("to be copied", 12, { metadata: { kept: "yes" } });
    const copy = container.getBlockBlobClient("copy");
    const answer = await (await copy.beginCopyFromURL(source.url)).pollUntilDone();
    assert.equal(answer.copyStatus, "success");
    assert.equal((await copy.downloadToBuffer()).toString(), "to be copied");
    assert.equal((await copy.getProperties()).metadata.kept, "yes");
  });
}

export async function kindSteps(container) {
  await blockSteps(container);
  await appendSteps(container);
  await pageSteps(container);
  await versionSteps(container);
}
