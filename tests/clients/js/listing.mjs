// SPDX-License-Identifier: MIT
// Listings in pages, flat and by hierarchy.

import assert from "node:assert/strict";
import { step } from "./tap.mjs";

const leaves = ["a", "b", "c"];
const folders = ["x", "y", "z"];
const wanted = folders.flatMap((folder) => leaves.map((leaf) => `list/${folder}/${leaf}`)).concat("list/top");

async function pagesOf(pages, collect) {
  const found = [];
  let count = 0;
  for await (const page of pages) {
    count++;
    found.push(...collect(page.segment));
  }
  return { found, count };
}

export async function listingSteps(container) {
  await step("upload ten blobs to list", () =>
    Promise.all(wanted.map((name) => container.getBlockBlobClient(name).upload(name, name.length, { metadata: { leaf: name.slice(-1) } }))),
  );
  await step("flat listing in pages of 3 has every blob once, in order", async () => {
    const pages = container.listBlobsFlat({ prefix: "list/" }).byPage({ maxPageSize: 3 });
    const { found, count } = await pagesOf(pages, (segment) => segment.blobItems.map((item) => item.name));
    assert.deepEqual(found, [...wanted].sort());
    assert.ok(count >= 4, `${count} pages`);
  });
  await step("a marker continues a listing in another iterator", async () => {
    const first = (await container.listBlobsFlat({ prefix: "list/" }).byPage({ maxPageSize: 4 }).next()).value;
    assert.equal(first.segment.blobItems.length, 4);
    const rest = container.listBlobsFlat({ prefix: "list/" }).byPage({ continuationToken: first.continuationToken });
    const { found } = await pagesOf(rest, (segment) => segment.blobItems.map((item) => item.name));
    assert.deepEqual(found, [...wanted].sort().slice(4));
  });
  await step("listing by hierarchy in pages of 2 has folders and blobs", async () => {
    const pages = container.listBlobsByHierarchy("/", { prefix: "list/" }).byPage({ maxPageSize: 2 });
    const { found } = await pagesOf(pages, (segment) => [
      ...(segment.blobPrefixes ?? []).map((prefix) => prefix.name),
      ...segment.blobItems.map((item) => item.name),
    ]);
    assert.deepEqual(found.sort(), ["list/top", "list/x/", "list/y/", "list/z/"]);
  });
  await step("a listing carries metadata and properties on request", async () => {
    const item = (await container.listBlobsFlat({ prefix: "list/x/b", includeMetadata: true }).next()).value;
    assert.equal(item.metadata.leaf, "b");
    assert.equal(item.properties.contentLength, 8);
    assert.equal(item.properties.blobType, "BlockBlob");
  });
  await step("an empty prefix match is an empty listing", async () => {
    assert.equal((await container.listBlobsFlat({ prefix: "nothing/" }).next()).done, true);
  });
}
