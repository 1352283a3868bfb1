// SPDX-License-Identifier: MIT
// Containers and the three kinds of blobs.

import { BlobClient } from "@azure/storage-blob";
import { all, content, downloaded, hash, plain } from "./record.mjs";

export async function containers(run) {
  const container = run.container();
  await run.keep("create", container.create({ metadata: { first: "1" } }));
  await run.fails("create_again", 409, container.create());
  await run.keep("set_metadata", container.setMetadata({ colour: "blue", Shape: "round" }));
  await run.keep("properties", container.getProperties());
  const items = await all(run.service().listContainers({ prefix: run.containerName, includeMetadata: true }));
  run.results.list = plain(items);
  await run.keep("set_access", container.setAccessPolicy("blob"));
  await run.keep("access", container.getAccessPolicy());
  await container.getBlockBlobClient("public.txt").upload("for all", 7);
  const guest = new BlobClient(container.getBlobClient("public.txt").url, run.anonymous());
  run.results.anonymous = hash(await guest.downloadToBuffer());
  await run.keep("delete", container.delete());
  await run.fails("deleted", 404, container.getProperties());
}

const UNUSUAL = ["with blank", "50%", "a+b", "a#b", "a?b", "ünï-日本", "a//b", "~()!*'"];

async function unusualNames(run, container) {
  for (const name of UNUSUAL) {
    const blob = container.getBlockBlobClient(name);
    await blob.upload(name, Buffer.byteLength(name));
    run.results[`name ${name}`] = hash(await blob.downloadToBuffer());
  }
}

export async function blockBlobs(run) {
  const container = await run.newContainer();
  const blob = container.getBlockBlobClient("text.txt");
  await run.keep(
    "upload",
    blob.upload("hello, world", 12, {
      blobHTTPHeaders: {
        blobContentType: "text/plain; charset=utf-8",
        blobContentLanguage: "en",
        blobCacheControl: "max-age=60",
        blobContentDisposition: 'attachment; filename="x.txt"',
        blobContentEncoding: "identity",
      },
      metadata: { one: "1", Two: "zwei drei" },
      tags: { kind: "text", empty: "" },
      tier: "Cool",
    }),
  );
  await run.keep("properties", blob.getProperties());
  const response = await run.keep("download", blob.download());
  run.results.hash = await downloaded(response);
  await run.fails("no_overwrite", 409, blob.upload("x", 1, { conditions: { ifNoneMatch: "*" } }));
  await run.keep("set_headers", blob.setHTTPHeaders({ blobContentType: "application/x-test" }));
  await run.keep("set_metadata", blob.setMetadata({ three: "3" }));
  await run.keep("properties_changed", blob.getProperties());

  const blocks = container.getBlockBlobClient("blocks.bin");
  const ids = ["block-a", "block-b", "block-c"].map((id) => Buffer.from(id).toString("base64"));
  for (const [index, id] of ids.entries()) await run.keep(`stage_${index}`, blocks.stageBlock(id, content(1000, index), 1000));
  await run.keep("uncommitted", blocks.getBlockList("all"));
  await run.keep("commit", blocks.commitBlockList(ids));
  await run.keep("committed", blocks.getBlockList("all"));
  run.results.blocks_hash = hash(await blocks.downloadToBuffer());

  await unusualNames(run, container);
  const empty = container.getBlockBlobClient("empty");
  await run.keep("empty_upload", empty.upload("", 0));
  await run.keep("empty_properties", empty.getProperties());
  run.results.empty_hash = await downloaded(await empty.download());
  await run.keep("delete", blob.delete());
}

export async function appendBlobs(run) {
  const container = await run.newContainer();
  const blob = container.getAppendBlobClient("log.txt");
  await run.keep("create", blob.create({ metadata: { kind: "log" } }));
  for (let i = 0; i < 3; i++) await run.keep(`append_${i}`, blob.appendBlock(content(700, i), 700));
  await run.fails("wrong_position", 412, blob.appendBlock("x", 1, { conditions: { appendPosition: 5 } }));
  await run.keep("at_position", blob.appendBlock("x", 1, { conditions: { appendPosition: 2100 } }));
  await run.keep("seal", blob.seal());
  await run.keep("properties", blob.getProperties());
  run.results.hash = hash(await blob.downloadToBuffer());
}

export async function pageBlobs(run) {
  const container = await run.newContainer();
  const blob = container.getPageBlobClient("disk.vhd");
  await run.keep("create", blob.create(4096, { blobSequenceNumber: 3 }));
  await run.keep("write_first", blob.uploadPages(content(512, 1), 0, 512));
  await run.keep("write_second", blob.uploadPages(content(1024, 2), 1024, 1024));
  await run.keep("ranges", blob.getPageRanges());
  await run.keep("clear", blob.clearPages(0, 512));
  await run.keep("ranges_cleared", blob.getPageRanges(0, 4096));
  await run.keep("resize", blob.resize(8192));
  await run.keep("sequence_number", blob.updateSequenceNumber("update", 7));
  await run.keep("properties", blob.getProperties());
  const response = await run.keep("download", blob.download(1000, 600));
  run.results.hash = await downloaded(response);
}
