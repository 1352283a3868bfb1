// SPDX-License-Identifier: MIT
// The endpoint under test, from the environment, and the way the SDK is made to reach it.
//
// BLOB_ENDPOINT  http://127.0.0.1:10000/devstoreaccount1 (path style) or http://devstoreaccount1.blob.localhost:10000 (host style)
// BLOB_SOCKET    path of a Unix socket that every connection goes to instead, whatever host the URL names
// BLOB_ACCOUNT, BLOB_KEY  default: the published development account

import http from "node:http";
import { BlobServiceClient, StorageSharedKeyCredential, newPipeline } from "@azure/storage-blob";

export const account = process.env.BLOB_ACCOUNT ?? "devstoreaccount1";
export const key =
  process.env.BLOB_KEY ?? "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
export const endpoint = process.env.BLOB_ENDPOINT ?? "http://127.0.0.1:10000/devstoreaccount1";
const socketPath = process.env.BLOB_SOCKET;

/** *.localhost is the loopback by definition (RFC 6761), but not every resolver knows it. */
function lookupLoopback(_hostname, options, callback) {
  if (options.all) callback(null, [{ address: "127.0.0.1", family: 4 }]);
  else callback(null, "127.0.0.1", 4);
}

export const agent = new http.Agent({
  keepAlive: true,
  maxSockets: 16,
  ...(socketPath ? { socketPath } : { lookup: lookupLoopback }),
});

/** One try per request: a failure must show, not be repaired by a retry. */
function pipelineOptions(throughAgent) {
  return { retryOptions: { maxTries: 1 }, agent: throughAgent };
}

export const options = pipelineOptions(agent);
export const credential = new StorageSharedKeyCredential(account, key);
export const service = new BlobServiceClient(endpoint, newPipeline(credential, options));

/** The service as somebody sees it who has another key. */
export function serviceWithWrongKey() {
  const wrong = new StorageSharedKeyCredential(account, Buffer.alloc(64, 7).toString("base64"));
  return new BlobServiceClient(endpoint, newPipeline(wrong, options));
}

/** `UseDevelopmentStorage=true` means port 10000; when the daemon has another one, only the connection is led there. */
export function developmentService() {
  const port = new URL(endpoint).port;
  const redirected = new http.Agent(socketPath ? { socketPath } : { host: "127.0.0.1", port: Number(port), lookup: lookupLoopback });
  const through = port === "10000" && !socketPath ? agent : redirected;
  return BlobServiceClient.fromConnectionString("UseDevelopmentStorage=true", pipelineOptions(through));
}

export function closeConnections() {
  agent.destroy();
}
