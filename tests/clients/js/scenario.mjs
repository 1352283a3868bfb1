// SPDX-License-Identifier: MIT
// What a user does with the JavaScript SDK, step by step, against the endpoint in the environment.

import "./webcrypto.mjs";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { closeConnections, developmentService, endpoint, service } from "./endpoint.mjs";
import { accessSteps } from "./access.mjs";
import { kindSteps } from "./kinds.mjs";
import { listingSteps } from "./listing.mjs";
import { transferSteps } from "./transfer.mjs";
import { finish, step } from "./tap.mjs";

console.log(`# ${endpoint}${process.env.BLOB_SOCKET ? " through a Unix socket" : ""}, node ${process.version}`);
const container = service.getContainerClient(`js-${randomUUID()}`);

await step("create a container", () => container.create());
await step("creating it again is 409 ContainerAlreadyExists", () =>
  assert.rejects(container.create(), { statusCode: 409, code: "ContainerAlreadyExists" }),
);
await step("list containers by prefix", async () => {
  const names = [];
  for await (const item of service.listContainers({ prefix: container.containerName })) names.push(item.name);
  assert.deepEqual(names, [container.containerName]);
});
await step("connection string UseDevelopmentStorage=true", async () => {
  assert.equal(await developmentService().getContainerClient(container.containerName).exists(), true);
});

await transferSteps(container);
await listingSteps(container);
await kindSteps(container);
await accessSteps(container);

await step("delete the container", () => container.delete());
await step("the container is gone: 404 ContainerNotFound", () =>
  assert.rejects(container.getProperties(), (error) => error.statusCode === 404),
);

closeConnections();
process.exitCode = finish();
