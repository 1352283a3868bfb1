// SPDX-License-Identifier: MIT
// Who may do what: wrong keys, service SAS, account SAS, nobody; and deletion.

import assert from "node:assert/strict";
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  AnonymousCredential,
  BlobClient,
  BlobSASPermissions,
  BlobServiceClient,
  BlockBlobClient,
  RestError,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
  newPipeline,
} from "@azure/storage-blob";
import { credential, endpoint, options, serviceWithWrongKey } from "./endpoint.mjs";
import { step } from "./tap.mjs";

// Azure's code for a wrong signature; who stands in for Azure may have another.
const refusal = new RegExp(`^(${process.env.BLOB_REFUSAL ?? "AuthenticationFailed"})$`);

const anonymous = () => newPipeline(new AnonymousCredential(), options);
const inAnHour = () => new Date(Date.now() + 3600_000);

function serviceSas(container, blobName, permissions, expiresOn = inAnHour()) {
  const values = { containerName: container.containerName, blobName, permissions: BlobSASPermissions.parse(permissions), expiresOn };
  return generateBlobSASQueryParameters(values, credential).toString();
}

async function serviceSasSteps(container, blob) {
  const withSas = (permissions, expiresOn) => `${blob.url}?${serviceSas(container, "sas/ü blob", permissions, expiresOn)}`;
  await step("a service SAS for reading reads", async () => {
    const reader = new BlobClient(withSas("r"), anonymous());
    assert.equal((await reader.downloadToBuffer()).toString(), "secret");
  });
  await step("a service SAS for reading does not write: 403 AuthorizationPermissionMismatch", () =>
    assert.rejects(new BlockBlobClient(withSas("r"), anonymous()).upload("x", 1), {
      statusCode: 403,
      code: "AuthorizationPermissionMismatch",
    }),
  );
  await step("a service SAS for writing writes", async () => {
    await new BlockBlobClient(withSas("cw"), anonymous()).upload("written", 7);
    assert.equal((await blob.downloadToBuffer()).toString(), "written");
  });
  await step("an expired service SAS is 403 AuthenticationFailed", () =>
    assert.rejects(new BlobClient(withSas("r", new Date(Date.now() - 60_000)), anonymous()).download(), {
      statusCode: 403,
      code: refusal,
    }),
  );
  await step("a forged service SAS is 403 AuthenticationFailed", () =>
    assert.rejects(new BlobClient(withSas("r").replace("sp=r", "sp=racwd"), anonymous()).download(), {
      statusCode: 403,
      code: refusal,
    }),
  );
}

async function accountSasSteps(container) {
  await step("an account SAS lists and reads", async () => {
    const sas = generateAccountSASQueryParameters(
      {
        expiresOn: inAnHour(),
        permissions: AccountSASPermissions.parse("rl"),
        resourceTypes: AccountSASResourceTypes.parse("sco").toString(),
        services: AccountSASServices.parse("b").toString(),
      },
      credential,
    ).toString();
    const guest = new BlobServiceClient(`${endpoint}?${sas}`, anonymous()).getContainerClient(container.containerName);
    const names = [];
    for await (const item of guest.listBlobsFlat({ prefix: "sas/" })) names.push(item.name);
    assert.deepEqual(names, ["sas/ü blob"]);
    assert.equal((await guest.getBlobClient("sas/ü blob").downloadToBuffer()).toString(), "written");
    await assert.rejects(guest.getBlobClient("sas/ü blob").delete(), { statusCode: 403, code: "AuthorizationPermissionMismatch" });
  });
}

export async function accessSteps(container) {
  const blob = container.getBlockBlobClient("sas/ü blob");
  await step("upload a blob to share", () => blob.upload("secret", 6));
  await serviceSasSteps(container, blob);
  await accountSasSteps(container);
  await step("a wrong key is 403 AuthenticationFailed, a RestError", () =>
    assert.rejects(serviceWithWrongKey().getContainerClient(container.containerName).getBlobClient(blob.name).download(), (error) => {
      assert.ok(error instanceof RestError);
      assert.equal(error.statusCode, 403);
      assert.match(error.code, refusal);
      return true;
    }),
  );
  await step("nobody's request to a private container is refused", () =>
    assert.rejects(new BlobClient(blob.url, anonymous()).download(), (error) => [401, 403, 404, 409].includes(error.statusCode)),
  );
  await step("delete a blob; a second time is 404 BlobNotFound", async () => {
    await blob.delete();
    await assert.rejects(blob.delete(), { statusCode: 404, code: "BlobNotFound" });
    assert.equal((await blob.deleteIfExists()).succeeded, false);
  });
}
