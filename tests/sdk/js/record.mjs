// SPDX-License-Identifier: MIT
// One scenario's recording: the responses next to the wire, and what the application got.

import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { AnonymousCredential, BlobServiceClient, StorageSharedKeyCredential, newPipeline } from "@azure/storage-blob";

const environment = process.env;
export const account = environment.SDK_ACCOUNT;
export const endpoint = environment.SDK_ENDPOINT;
export const flakyEndpoint = environment.SDK_FLAKY_ENDPOINT;
export const tlsEndpoint = environment.SDK_TLS_ENDPOINT;
export const caFile = environment.SDK_CA_FILE;
export const credential = new StorageSharedKeyCredential(account, environment.SDK_KEY);
export const MIB = 1 << 20;

/** A policy of the SDK's pipeline; its name makes the SDK put it behind the retries, so that it sees every attempt. */
class InjectorPolicyFactory {
  constructor(responses) {
    this.responses = responses;
  }

  create(next) {
    const sendRequest = async (request) => {
      const response = await next.sendRequest(request);
      const headers = Object.fromEntries(response.headers.headersArray().map((field) => [field.name.toLowerCase(), field.value]));
      this.responses.push({ method: request.method, url: request.url, status: response.status, headers });
      return response;
    };
    return { sendRequest };
  }
}

/** Bytes of a body: byte i is (i * 7 + seed) % 251. */
export function content(size, seed = 0) {
  const bytes = Buffer.allocUnsafe(size);
  for (let i = 0; i < Math.min(size, 251); i++) bytes[i] = (i * 7 + seed) % 251;
  for (let filled = 251; filled < size; filled *= 2) bytes.copyWithin(filled, 0, Math.min(filled, size - filled));
  return bytes;
}

export const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

export async function all(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

/** What the application can see of an answer or an item, without streams and without the request. */
export function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Date || value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(plain);
  const entries = Object.entries(value).filter(([name, item]) => {
    const isInternal = name.startsWith("_") || name === "readableStreamBody" || name === "blobDownloadStream";
    return !isInternal && item !== undefined && typeof item !== "function";
  });
  return Object.fromEntries(entries.map(([name, item]) => [name, plain(item)]));
}

export async function downloaded(response) {
  return hash(await buffer(response.readableStreamBody));
}

export class Run {
  constructor(scenario) {
    this.responses = [];
    this.results = {};
    this.containerName = environment.SDK_PREFIX + scenario.replaceAll("_", "-");
  }

  pipeline(as = credential, more = {}) {
    const pipeline = newPipeline(as, more);
    pipeline.factories.push(new InjectorPolicyFactory(this.responses));
    return pipeline;
  }

  anonymous() {
    return this.pipeline(new AnonymousCredential());
  }

  service(as = credential, more = {}, at = endpoint) {
    return new BlobServiceClient(at, this.pipeline(as, more));
  }

  container(suffix = "") {
    return this.service().getContainerClient(this.containerName + suffix);
  }

  async newContainer() {
    const container = this.container();
    await container.create();
    return container;
  }

  /** Keeps what the call answers. */
  async keep(name, promise) {
    const value = await promise;
    this.results[name] = plain(value);
    return value;
  }

  /** The call must fail, with this status; the kind of error is kept. */
  async fails(name, status, promise) {
    let seen;
    try {
      await promise;
    } catch (error) {
      if (error.statusCode === undefined) throw error;
      seen = { type: error.constructor.name, name: error.name, status: error.statusCode, code: error.code ?? null };
    }
    this.results[name] = seen ?? "no error";
    if (seen?.status !== status) throw new Error(`${name}: ${JSON.stringify(seen)}, not ${status}`);
  }
}
