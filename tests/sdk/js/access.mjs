// SPDX-License-Identifier: MIT
// Who may do what, what goes wrong, and the account itself.

import { readFileSync } from "node:fs";
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  AnonymousCredential,
  BlobClient,
  BlobSASPermissions,
  BlobServiceClient,
  BlockBlobClient,
  ContainerClient,
  ContainerSASPermissions,
  StorageSharedKeyCredential,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
} from "@azure/storage-blob";
import { account, all, caFile, credential, endpoint, hash, plain, tlsEndpoint } from "./record.mjs";

const in_ = (hours) => new Date(Date.now() + hours * 3600_000);

async function blobSas(run, blob) {
  const signed = (permissions, hours) => blob.generateSasUrl({ permissions: BlobSASPermissions.parse(permissions), expiresOn: in_(hours) });
  const reader = new BlobClient(await signed("r", 1), run.anonymous());
  run.results.blob = hash(await reader.downloadToBuffer());
  await run.keep("blob_properties", reader.getProperties());
  await run.fails("expired", 403, new BlobClient(await signed("r", -1), run.anonymous()).download());
  await run.fails("wrong_permission", 403, new BlockBlobClient(await signed("r", 1), run.anonymous()).upload("x", 1));
  const forged = (await signed("r", 1)).replace("sp=r", "sp=rw");
  await run.fails("forged", 403, new BlockBlobClient(forged, run.anonymous()).upload("x", 1));
}

async function storedPolicy(run, container, blob) {
  const accessPolicy = { startsOn: in_(-1), expiresOn: in_(1), permissions: "rl" };
  await run.keep("set_policy", container.setAccessPolicy(undefined, [{ id: "readers", accessPolicy }]));
  await run.keep("policy", container.getAccessPolicy());
  const values = { containerName: run.containerName, identifier: "readers" };
  const token = generateBlobSASQueryParameters(values, credential).toString();
  const reader = new BlobClient(`${blob.url}?${token}`, run.anonymous());
  run.results.by_policy = hash(await reader.downloadToBuffer());
  await run.fails("not_in_policy", 403, reader.delete());
}

export async function sas(run) {
  const container = await run.newContainer();
  const blob = container.getBlockBlobClient("sas/ü blob");
  await blob.upload("secret", 6);
  await blobSas(run, blob);
  const listing = await container.generateSasUrl({ permissions: ContainerSASPermissions.parse("rl"), expiresOn: in_(1) });
  run.results.container = plain(await all(new ContainerClient(listing, run.anonymous()).listBlobsFlat()));
  const token = generateAccountSASQueryParameters(
    {
      expiresOn: in_(1),
      permissions: AccountSASPermissions.parse("rwdlac"),
      resourceTypes: AccountSASResourceTypes.parse("sco").toString(),
      services: AccountSASServices.parse("b").toString(),
    },
    credential,
  ).toString();
  const guest = new BlobServiceClient(`${endpoint}?${token}`, run.anonymous()).getContainerClient(run.containerName);
  await run.keep("account_write", guest.getBlockBlobClient("written").upload("by a guest", 10));
  run.results.account = (await all(guest.listBlobsFlat())).map((item) => item.name);
  await storedPolicy(run, container, blob);
}

export async function errors(run) {
  const container = await run.newContainer();
  const blob = container.getBlockBlobClient("block");
  await blob.upload("block", 5);
  const nowhere = run.container("-missing");
  await run.fails("container_not_found", 404, nowhere.getBlobClient("x").download());
  await run.fails("container_not_found_head", 404, nowhere.getProperties());
  await run.fails("container_not_found_list", 404, all(nowhere.listBlobsFlat()));
  await run.fails("blob_not_found", 404, container.getBlobClient("missing").download());
  await run.fails("blob_not_found_head", 404, container.getBlobClient("missing").getProperties());
  await run.fails("blob_not_found_delete", 404, container.getBlobClient("missing").delete());
  await run.fails("invalid_container_name", 400, run.service().getContainerClient("Not--Valid").create());
  const wrong = new StorageSharedKeyCredential(account, Buffer.alloc(64, 7).toString("base64"));
  await run.fails("wrong_key", 403, run.service(wrong).getContainerClient(run.containerName).getBlobClient("block").download());
  await run.fails("invalid_block_list", 400, blob.commitBlockList([Buffer.from("unknown").toString("base64")]));
  await run.fails("wrong_type", 409, container.getAppendBlobClient("block").appendBlock("x", 1));
  const disk = container.getPageBlobClient("disk");
  await disk.create(1024);
  await run.fails("invalid_page_range", 416, disk.uploadPages(Buffer.alloc(512), 2048, 512));
  const id = Buffer.from("block").toString("base64");
  await run.fails("wrong_md5", 400, blob.stageBlock(id, "x", 1, { transactionalContentMD5: new Uint8Array(16) }));
  await run.fails("no_credential", 403, new BlobClient(blob.url, run.anonymous()).download());
}

async function delegationKey(run) {
  const token = { getToken: async () => ({ token: process.env.SDK_TOKEN, expiresOnTimestamp: in_(1).getTime() }) };
  const tlsOptions = { ca: readFileSync(caFile) };
  const client = new BlobServiceClient(tlsEndpoint, run.pipeline(token, { tlsOptions }));
  const key = await client.getUserDelegationKey(in_(-1), in_(1));
  run.results.delegation_key = { signedService: key.signedService, hasValue: key.value.length > 0 };
  const container = client.getContainerClient(`${run.containerName}-tls`);
  await container.create();
  const blob = container.getBlockBlobClient("a token's");
  await run.keep("delegatedwrite", blob.upload("written with a token", 20));
  const values = { containerName: container.containerName, blobName: blob.name, permissions: BlobSASPermissions.parse("r") };
  const delegated = generateBlobSASQueryParameters({ ...values, startsOn: in_(-1), expiresOn: in_(1) }, key, account).toString();
  const pipeline = run.pipeline(new AnonymousCredential(), { tlsOptions });
  run.results.delegation_sas = hash(await new BlobClient(`${blob.url}?${delegated}`, pipeline).downloadToBuffer());
}

export async function service(run) {
  const client = run.service();
  await run.keep("properties", client.getProperties());
  const cors = [{ allowedOrigins: "http://example.test", allowedMethods: "GET,PUT", allowedHeaders: "x-ms-*", exposedHeaders: "", maxAgeInSeconds: 60 }];
  await run.keep("set_properties", client.setProperties({ cors, defaultServiceVersion: "2021-12-02" }));
  await run.keep("properties_changed", client.getProperties());
  await run.keep("account_info", client.getAccountInfo());
  for (const suffix of ["-1", "-2", "-3", "-4", "-5"]) await run.container(suffix).create();
  run.results.pages = [];
  for await (const page of client.listContainers({ prefix: run.containerName }).byPage({ maxPageSize: 2 })) {
    run.results.pages.push(page.containerItems.map((item) => item.name));
  }
  if (tlsEndpoint) await delegationKey(run);
}
