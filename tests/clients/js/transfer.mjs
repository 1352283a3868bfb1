// SPDX-License-Identifier: MIT
// Uploads, downloads, odd names, properties and conditions.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { RestError } from "@azure/storage-blob";
import { service } from "./endpoint.mjs";
import { step } from "./tap.mjs";

const MiB = 1024 * 1024;
export const oddNames = [
  "plain.txt",
  "ünïcødé-日本語-🦀.bin",
  "plus+sign+and blank.txt",
  "percent%25 100% %zz",
  "literal%2Fslash",
  "double//slash///inside",
  "trailing.dots...",
  "trailing/slash/",
  "..%2e/x",
  "~tilde!(paren)*'quote'",
  "question?mark=1&and#hash",
  'xml<&>"entities".xml',
  "semi;colon,comma@at$dollar=equals[bracket]",
  "n".repeat(1024),
];

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

export async function sha256OfStream(stream) {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { digest: hash.digest("hex"), bytes };
}

async function uploadsAndDownloads(container, name, bytes, upload) {
  const data = randomBytes(bytes);
  const blob = container.getBlockBlobClient(name);
  await step(`upload ${name}`, () => upload(blob, data));
  await step(`whole download() of ${name} is the same`, async () => {
    const answer = await blob.download();
    assert.equal(answer.contentLength, bytes);
    const got = await sha256OfStream(answer.readableStreamBody);
    assert.deepEqual(got, { digest: sha256(data), bytes });
  });
  return { blob, data };
}

async function rangeSteps(blob, data) {
  const ranges = [
    ["the first byte", 0, 1],
    ["across a block boundary", 4 * MiB - 7, 14],
    ["5 MiB from the middle", 17 * MiB + 3, 5 * MiB],
    ["the last byte", data.length - 1, 1],
    ["an open end", data.length - 1000, undefined],
    ["beyond the end, cut", data.length - 10, 1000],
  ];
  for (const [name, offset, count] of ranges) {
    await step(`ranged download: ${name}`, async () => {
      const answer = await blob.download(offset, count);
      const want = data.subarray(offset, count === undefined ? undefined : offset + count);
      assert.equal(answer.contentRange, `bytes ${offset}-${offset + want.length - 1}/${data.length}`);
      assert.equal((await sha256OfStream(answer.readableStreamBody)).digest, sha256(want));
    });
  }
  await step("a range behind the end is 416 InvalidRange", () =>
    assert.rejects(blob.download(data.length + 1, 5), { statusCode: 416, code: "InvalidRange" }),
  );
  await step("downloadToBuffer in parallel ranges is the same", async () => {
    const got = await blob.downloadToBuffer(undefined, undefined, { blockSize: 4 * MiB, concurrency: 5 });
    assert.equal(sha256(got), sha256(data));
  });
}

async function nameSteps(container) {
  for (const name of oddNames) {
    const shown = name.length > 60 ? `${name.slice(0, 10)}... (${name.length})` : name;
    await step(`name round trip: ${shown}`, async () => {
      const blob = container.getBlockBlobClient(name);
      await blob.upload(name, Buffer.byteLength(name));
      assert.equal((await blob.downloadToBuffer()).toString(), name);
      const listed = [];
      for await (const item of container.listBlobsFlat({ prefix: name })) listed.push(item.name);
      assert.deepEqual(listed, [name]);
      await blob.delete();
      assert.equal(await blob.exists(), false);
    });
  }
}

async function propertySteps(blob) {
  const metadata = { one: "1", with_underscore: "two words", Mixed: "Case, and; punctuation=yes" };
  await step("set and read metadata", async () => {
    await blob.setMetadata(metadata);
    const got = (await blob.getProperties()).metadata;
    assert.deepEqual(
      Object.fromEntries(Object.entries(got).map(([name, value]) => [name.toLowerCase(), value])),
      Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), value])),
    );
  });
  await step("set and read HTTP properties", async () => {
    const headers = {
      blobContentType: "text/plain; charset=utf-8",
      blobCacheControl: "max-age=60",
      blobContentDisposition: 'attachment; filename="x.txt"',
      blobContentLanguage: "de",
      blobContentEncoding: "identity",
    };
    await blob.setHTTPHeaders(headers);
    const got = await blob.getProperties();
    assert.equal(got.contentType, headers.blobContentType);
    assert.equal(got.cacheControl, headers.blobCacheControl);
    assert.equal(got.contentDisposition, headers.blobContentDisposition);
    assert.equal(got.contentLanguage, headers.blobContentLanguage);
    assert.equal(got.contentEncoding, headers.blobContentEncoding);
    assert.equal(got.blobType, "BlockBlob");
    assert.ok(got.lastModified instanceof Date && got.etag);
  });
}

async function conditionSteps(container, blob) {
  await step("If-None-Match: * over an existing blob is 409 BlobAlreadyExists", () =>
    assert.rejects(blob.upload("x", 1, { conditions: { ifNoneMatch: "*" } }), { statusCode: 409, code: "BlobAlreadyExists" }),
  );
  await step("a write with another ETag is 412 ConditionNotMet", () =>
    assert.rejects(blob.upload("x", 1, { conditions: { ifMatch: '"0x8D0000000000000"' } }), {
      statusCode: 412,
      code: "ConditionNotMet",
    }),
  );
  await step("a read with the same ETag in If-None-Match is 304", async () => {
    const { etag } = await blob.getProperties();
    await assert.rejects(blob.download(0, undefined, { conditions: { ifNoneMatch: etag } }), { statusCode: 304 });
  });
  await step("a write with the right ETag passes", async () => {
    const { etag } = await blob.getProperties();
    await blob.upload("xy", 2, { conditions: { ifMatch: etag } });
    assert.equal((await blob.downloadToBuffer()).toString(), "xy");
  });
  await step("a missing blob is 404 BlobNotFound, a RestError", () =>
    assert.rejects(container.getBlobClient("missing").download(), (error) => {
      assert.ok(error instanceof RestError);
      assert.equal(error.statusCode, 404);
      assert.equal(error.code, "BlobNotFound");
      assert.match(error.message, /does not exist/);
      return true;
    }),
  );
  await step("a missing container is 404 ContainerNotFound", () =>
    assert.rejects(service.getContainerClient("no-such-container").getBlockBlobClient("b").upload("x", 1), {
      statusCode: 404,
      code: "ContainerNotFound",
    }),
  );
}

export async function transferSteps(container) {
  await uploadsAndDownloads(container, "0 B", 0, (blob, data) => blob.upload(data, data.length));
  await uploadsAndDownloads(container, "1 B", 1, (blob, data) => blob.upload(data, data.length));
  const small = await uploadsAndDownloads(container, "1 MiB", MiB, (blob, data) => blob.upload(data, data.length));
  const large = await uploadsAndDownloads(container, "40 MiB in parallel blocks", 40 * MiB, (blob, data) =>
    blob.uploadData(data, { blockSize: 4 * MiB, maxSingleShotSize: 4 * MiB, concurrency: 5 }),
  );
  await step("its block list has 10 committed blocks", async () => {
    const list = await large.blob.getBlockList("all");
    assert.deepEqual(list.committedBlocks.map((block) => block.size), Array(10).fill(4 * MiB));
    assert.deepEqual(list.uncommittedBlocks ?? [], []);
  });
  await rangeSteps(large.blob, large.data);
  await uploadsAndDownloads(container, "40 MiB in one Put Blob", 40 * MiB, (blob, data) => blob.upload(data, data.length));
  await nameSteps(container);
  await propertySteps(small.blob);
  await conditionSteps(container, small.blob);
}
