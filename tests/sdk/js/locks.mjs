// SPDX-License-Identifier: MIT
// Leases and conditions.

import { hash } from "./record.mjs";

const FIRST = "11111111-1111-1111-1111-111111111111";
const SECOND = "22222222-2222-2222-2222-222222222222";

async function blobLease(run, container) {
  const blob = container.getBlockBlobClient("leased");
  await blob.upload("one", 3);
  const lease = blob.getBlobLeaseClient(FIRST);
  await run.keep("acquire", lease.acquireLease(15));
  await run.fails("acquire_other", 409, blob.getBlobLeaseClient(SECOND).acquireLease(15));
  await run.keep("properties_leased", blob.getProperties());
  await run.fails("write_without", 412, blob.upload("two", 3));
  await run.fails("write_with_other", 412, blob.upload("two", 3, { conditions: { leaseId: SECOND } }));
  await run.keep("write_with", blob.upload("two", 3, { conditions: { leaseId: FIRST } }));
  await run.keep("renew", lease.renewLease());
  await run.keep("change", lease.changeLease(SECOND));
  await run.keep("break", lease.breakLease(0));
  await run.keep("properties_broken", blob.getProperties());
  await run.keep("release", lease.releaseLease());
  await run.keep("properties_released", blob.getProperties());
  await run.keep("write_after", blob.upload("three", 5));
  run.results.hash = hash(await blob.downloadToBuffer());
}

export async function leases(run) {
  const container = await run.newContainer();
  await blobLease(run, container);
  const lease = container.getBlobLeaseClient(FIRST);
  await run.keep("container_acquire", lease.acquireLease(60));
  await run.keep("container_properties", container.getProperties());
  await run.fails("container_delete_without", 412, container.delete());
  await run.keep("container_release", lease.releaseLease());
  await run.keep("container_delete", container.delete());
}

export async function conditions(run) {
  const container = await run.newContainer();
  const blob = container.getBlockBlobClient("blob");
  const first = await blob.upload("first", 5, { tags: { state: "new" } });
  const wrong = '"0x1111111111111111"';
  const hour = 3600_000;
  const later = new Date(first.lastModified.getTime() + hour);
  const earlier = new Date(first.lastModified.getTime() - hour);
  const get = (wanted) => blob.download(0, undefined, { conditions: wanted });
  const put = (wanted) => blob.upload("first", 5, { tags: { state: "new" }, conditions: wanted });

  await run.keep("get_match", get({ ifMatch: first.etag }));
  await run.fails("get_match_wrong", 412, get({ ifMatch: wrong }));
  await run.keep("get_none_match", get({ ifNoneMatch: wrong }));
  await run.fails("get_none_match_equal", 304, get({ ifNoneMatch: first.etag }));
  await run.fails("head_none_match_equal", 304, blob.getProperties({ conditions: { ifNoneMatch: first.etag } }));
  await run.fails("head_match_wrong", 412, blob.getProperties({ conditions: { ifMatch: wrong } }));
  await run.keep("get_modified", get({ ifModifiedSince: earlier }));
  await run.fails("get_not_modified", 304, get({ ifModifiedSince: later }));
  await run.keep("get_unmodified", get({ ifUnmodifiedSince: later }));
  await run.fails("get_not_unmodified", 412, get({ ifUnmodifiedSince: earlier }));
  await run.keep("get_tags", get({ tagConditions: "state = 'new'" }));
  await run.fails("get_tags_wrong", 412, get({ tagConditions: "state = 'old'" }));
  await run.fails("put_match_wrong", 412, put({ ifMatch: wrong }));
  await run.fails("put_not_modified", 412, put({ ifModifiedSince: later }));
  await run.fails("put_not_unmodified", 412, put({ ifUnmodifiedSince: earlier }));
  await run.fails("put_tags_wrong", 412, put({ tagConditions: "state = 'old'" }));
  const second = await run.keep("put_match", put({ ifMatch: first.etag }));
  await run.fails("put_none_match_equal", 412, put({ ifNoneMatch: second.etag }));
  await run.keep("put_unmodified", put({ ifUnmodifiedSince: later }));
  await run.fails("delete_match_wrong", 412, blob.delete({ conditions: { ifMatch: wrong } }));
  run.results.hash = hash(await blob.downloadToBuffer());
}
