// SPDX-License-Identifier: MIT
// Runs the scenarios and prints what the SDK saw, one line of JSON for each.

import "../../clients/js/webcrypto.mjs";
import { appendBlobs, blockBlobs, containers, pageBlobs } from "./kinds.mjs";
import { downloads, listings, parallelUpload, retries } from "./transfer.mjs";
import { batch, copy, snapshots, tags } from "./content.mjs";
import { conditions, leases } from "./locks.mjs";
import { errors, sas, service } from "./access.mjs";
import { Run } from "./record.mjs";

const scenarios = {
  containers,
  block_blobs: blockBlobs,
  append_blobs: appendBlobs,
  page_blobs: pageBlobs,
  parallel_upload: parallelUpload,
  downloads,
  leases,
  conditions,
  snapshots,
  tags,
  batch,
  copy,
  sas,
  errors,
  retries,
  listings,
  service,
};

const wanted = process.argv.slice(2);
for (const name of wanted.length ? wanted : Object.keys(scenarios)) {
  const run = new Run(name);
  const line = { scenario: name };
  try {
    await scenarios[name](run);
  } catch (error) {
    line.error = `${error?.constructor?.name}: ${error?.message}`;
    console.error(`${name}: ${error?.stack}`);
  }
  console.log(JSON.stringify({ ...line, responses: run.responses, results: run.results }));
}
process.exit(0); // the SDK keeps idle connections
