// SPDX-License-Identifier: MIT
// One round trip with the JavaScript SDK and a connection string: node roundtrip.mjs CONNECTION-STRING

import "./webcrypto.mjs";
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { BlobServiceClient } from "@azure/storage-blob";

const container = BlobServiceClient.fromConnectionString(process.argv[2]).getContainerClient(`quickstart-${randomUUID()}`);
const data = randomBytes(20 * 1024 * 1024);

await container.create();
const blob = container.getBlockBlobClient("hello/wörld.bin");
await blob.uploadData(data, { maxSingleShotSize: 4 * 1024 * 1024, concurrency: 4 });
const names = [];
for await (const item of container.listBlobsFlat()) names.push(`${item.name} (${item.properties.contentLength} B)`);
assert.ok((await blob.downloadToBuffer()).equals(data), "other bytes came back");
await container.delete();
console.log(`JavaScript SDK: wrote, listed, read and deleted ${names.join(", ")}`);
