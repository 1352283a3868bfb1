// SPDX-License-Identifier: MIT
// Large bodies, listings in pages, and retries.

import { content, downloaded, endpoint, flakyEndpoint, hash, MIB, plain } from "./record.mjs";

export async function parallelUpload(run) {
  const container = await run.newContainer();
  const blocks = container.getBlockBlobClient("blocks");
  const settings = { maxSingleShotSize: MIB, blockSize: MIB, concurrency: 4 };
  const { contentMD5, ...committed } = await blocks.uploadData(content(20 * MIB, 1), { ...settings, metadata: { way: "blocks" } });
  run.results.in_blocks = { ...plain(committed), hasMD5: contentMD5 !== undefined }; // it is of a list with random ids
  const single = container.getBlockBlobClient("single");
  await run.keep(
    "in_one",
    single.upload(content(20 * MIB, 2), 20 * MIB, {
      blobHTTPHeaders: { blobContentType: "image/x-test", blobCacheControl: "no-cache" },
      metadata: { way: "single" },
      tags: { way: "single" },
    }),
  );
  await run.keep("in_one_properties", single.getProperties());
  for (const blob of [blocks, single]) run.results[`hash ${blob.name}`] = hash(await blob.downloadToBuffer());
  await run.keep("block_list", blocks.getBlockList("committed").then((list) => list.committedBlocks.map((block) => block.size)));
  run.results.list = [];
  for await (const item of container.listBlobsFlat()) run.results.list.push(plain(item));
  await run.fails("no_overwrite", 409, single.upload(content(20 * MIB, 3), 20 * MIB, { conditions: { ifNoneMatch: "*" } }));
}

export async function downloads(run) {
  const container = await run.newContainer();
  const blob = container.getBlockBlobClient("large");
  await blob.uploadData(content(40 * MIB, 5), { blobHTTPHeaders: { blobContentType: "video/x-test" }, metadata: { a: "b" } });
  const parts = {
    whole: [],
    middle: [5 * MIB + 3, 9 * MIB + 1],
    open_ended: [30 * MIB - 7],
    past_the_end: [40 * MIB - 10, 1000],
    with_md5: [MIB, 4 * MIB, { rangeGetContentMD5: true }],
  };
  for (const [name, range] of Object.entries(parts)) {
    const response = await run.keep(name, blob.download(...range));
    run.results[`hash ${name}`] = await downloaded(response);
  }
  run.results["hash parallel"] = hash(await blob.downloadToBuffer(0, undefined, { blockSize: 4 * MIB, concurrency: 4 }));
  run.results["hash parallel range"] = hash(await blob.downloadToBuffer(MIB, 21 * MIB, { blockSize: 10 * MIB, concurrency: 2 }));
  await run.fails("beyond_the_end", 416, blob.download(41 * MIB));
}

export async function retries(run) {
  const container = await run.newContainer();
  const quick = { retryOptions: { maxTries: 4, retryDelayInMs: 10, maxRetryDelayInMs: 20 } };
  const flaky = run.service(undefined, quick, flakyEndpoint).getContainerClient(run.containerName).getBlockBlobClient("retry-1");
  const before = run.responses.length;
  await run.keep("upload", flaky.upload(content(100000, 9), 100000));
  run.results.attempts = run.responses.slice(before).map((response) => response.status);
  run.results.hash = hash(await container.getBlobClient("retry-1").downloadToBuffer());
  await run.fails("gives_up", 503, run.service(undefined, { retryOptions: { maxTries: 2, retryDelayInMs: 10 } }, flakyEndpoint)
    .getContainerClient(run.containerName).getBlockBlobClient("retry-2").upload("x", 1)); // prettier-ignore
  run.results.endpoint = endpoint;
}

async function pages(iterator, names) {
  const found = [];
  for await (const page of iterator) found.push(names(page.segment));
  return found;
}

export async function listings(run) {
  const container = await run.newContainer();
  for (let i = 0; i < 25; i++) {
    const name = `dir${i % 3}/${i % 2 ? "sub/" : ""}blob-${String(i).padStart(2, "0")} ü&`;
    await container.getBlockBlobClient(name).upload("x".repeat(i), i, { metadata: { n: String(i) }, tags: { t: String(i % 5) } });
  }
  const blobNames = (segment) => segment.blobItems.map((item) => item.name);
  run.results.flat = await pages(container.listBlobsFlat().byPage({ maxPageSize: 7 }), blobNames);
  run.results.prefix = await pages(container.listBlobsFlat({ prefix: "dir1/" }).byPage({ maxPageSize: 3 }), blobNames);
  const both = (segment) => ({ prefixes: (segment.blobPrefixes ?? []).map((item) => item.name), blobs: blobNames(segment) });
  run.results.top = await pages(container.listBlobsByHierarchy("/").byPage({ maxPageSize: 2 }), both);
  run.results.dir = await pages(container.listBlobsByHierarchy("/", { prefix: "dir0/" }).byPage(), both);
  run.results.full = [];
  for await (const item of container.listBlobsFlat({ includeMetadata: true, includeTags: true })) run.results.full.push(plain(item));
}
