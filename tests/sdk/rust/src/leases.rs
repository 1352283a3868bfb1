// SPDX-License-Identifier: MIT

//! Leases, conditions and snapshots.

use crate::{
    account::Account,
    blobs::properties,
    containers::map,
    said,
    values::{content, download, facts, fault, pattern, try_download, uploaded},
    Outcome, Results,
};
use azure_core::{
    http::Etag,
    time::{Duration, OffsetDateTime},
};
use azure_storage_blob::{models::*, BlobClient, BlobContainerClient};
use futures::TryStreamExt;

const FIRST: &str = "11111111-2222-3333-4444-555555555555";
const SECOND: &str = "66666666-7777-8888-9999-aaaaaaaaaaaa";

pub async fn leases(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("leases")?;
    one.create(None).await?;
    let held = one.blob_client("held");
    held.upload(content(pattern(10, 1)), None).await?;
    of_blob(&held, results).await?;
    let leased = account.container("leased")?;
    leased.create(None).await?;
    of_container(&leased, results).await
}

fn proposing(id: &str) -> Option<BlobClientAcquireLeaseOptions<'static>> {
    Some(BlobClientAcquireLeaseOptions { proposed_lease_id: Some(id.to_owned()), ..Default::default() })
}

async fn of_blob(held: &BlobClient, results: &mut Results) -> Outcome {
    let answer = held.acquire_lease(15, proposing(FIRST)).await?;
    results.set("acquire", said!(answer; etag, lease_id));
    results.set("acquire_again", fault(held.acquire_lease(15, proposing(SECOND)).await));
    results.set("write_without", fault(held.upload(content(pattern(10, 2)), None).await));
    let with = BlobClientUploadOptions { lease_id: Some(FIRST.to_owned()), ..Default::default() };
    results.set("write_with", uploaded(held.upload(content(pattern(10, 3)), Some(with)).await?));
    let answer = held.renew_lease(FIRST.to_owned(), None).await?;
    results.set("renew", said!(answer; etag, lease_id));
    let answer = held.change_lease(FIRST.to_owned(), SECOND.to_owned(), None).await?;
    results.set("change", said!(answer; etag, lease_id));
    results.set("properties", properties(held).await?);
    let now = BlobClientBreakLeaseOptions { break_period: Some(0), ..Default::default() };
    let answer = held.break_lease(Some(now)).await?;
    results.set("break", said!(answer; etag, lease_time));
    results.set("properties_broken", properties(held).await?);
    let answer = held.release_lease(SECOND.to_owned(), None).await?;
    results.set("release", said!(answer; etag));
    results.set("renew_released", fault(held.renew_lease(SECOND.to_owned(), None).await));
    Ok(())
}

async fn of_container(one: &BlobContainerClient, results: &mut Results) -> Outcome {
    let options = BlobContainerClientAcquireLeaseOptions { proposed_lease_id: Some(FIRST.to_owned()), ..Default::default() };
    let answer = one.acquire_lease(-1, Some(options)).await?;
    results.set("container_acquire", said!(answer; etag, lease_id));
    results.set("container_delete", fault(one.delete(None).await));
    let answer = one.get_properties(None).await?;
    results.set("container_properties", said!(answer; etag, duration, lease_state, lease_status));
    let answer = one.release_lease(FIRST.to_owned(), None).await?;
    results.set("container_release", said!(answer; etag));
    one.delete(None).await?;
    Ok(())
}

#[derive(Clone, Default)]
struct Condition {
    if_match: Option<Etag>,
    if_none_match: Option<Etag>,
    if_modified_since: Option<OffsetDateTime>,
    if_unmodified_since: Option<OffsetDateTime>,
    if_tags: Option<String>,
}

/// Every option set of the SDK has the conditions as fields of its own.
macro_rules! on {
    ($kind:ident, $condition:expr) => {{
        let condition: Condition = $condition.clone();
        $kind {
            if_match: condition.if_match,
            if_none_match: condition.if_none_match,
            if_modified_since: condition.if_modified_since,
            if_unmodified_since: condition.if_unmodified_since,
            if_tags: condition.if_tags,
            ..Default::default()
        }
    }};
}

fn all(tag: &Etag, changed: OffsetDateTime) -> Vec<(&'static str, Condition)> {
    let wrong = Etag::from("\"0x8D00000000000AB\"");
    let before = changed - Duration::hours(1);
    let after = changed + Duration::hours(1);
    vec![
        ("match_right", Condition { if_match: Some(tag.clone()), ..Default::default() }),
        ("match_wrong", Condition { if_match: Some(wrong.clone()), ..Default::default() }),
        ("none_match_equal", Condition { if_none_match: Some(tag.clone()), ..Default::default() }),
        ("none_match_other", Condition { if_none_match: Some(wrong), ..Default::default() }),
        ("modified_since_before", Condition { if_modified_since: Some(before), ..Default::default() }),
        ("modified_since_after", Condition { if_modified_since: Some(after), ..Default::default() }),
        ("unmodified_since_before", Condition { if_unmodified_since: Some(before), ..Default::default() }),
        ("unmodified_since_after", Condition { if_unmodified_since: Some(after), ..Default::default() }),
        ("tags_right", Condition { if_tags: Some("\"state\" = 'ready'".to_owned()), ..Default::default() }),
        ("tags_wrong", Condition { if_tags: Some("\"state\" = 'busy'".to_owned()), ..Default::default() }),
    ]
}

pub async fn conditions(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("conditions")?;
    one.create(None).await?;
    let tagged = || BlobClientUploadOptions::default().with_tags(map(&[("state", "ready")]));
    let target = one.blob_client("target");
    let made = target.upload(content(pattern(50, 1)), Some(tagged())).await?;
    let (tag, changed) = made.etag.zip(made.last_modified).ok_or("no tag or date")?;
    for (name, condition) in all(&tag, changed) {
        let get = on!(BlobClientDownloadOptions, condition);
        results.set(format!("get_{name}"), try_download(&target, Some(get)).await?);
        let head = on!(BlobClientGetPropertiesOptions, condition);
        results.set(format!("head_{name}"), fault(target.get_properties(Some(head)).await));
        // Each is tried on a blob that just came to be: a write that succeeds changes the tag and the date.
        let fresh = one.blob_client(&format!("put-{name}"));
        let now = fresh.upload(content(pattern(50, 1)), Some(tagged())).await?;
        let own = now.etag.as_ref().ok_or("no tag")?;
        let condition = all(own, changed).into_iter().find(|(other, _)| *other == name).ok_or("no such case")?.1;
        let put = on!(BlobClientUploadOptions, condition);
        results.set(format!("put_{name}"), fault(fresh.upload(content(pattern(60, 2)), Some(put)).await));
    }
    Ok(())
}

pub async fn snapshots(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("snapshots")?;
    one.create(None).await?;
    let base = one.blob_client("base");
    base.upload(content(pattern(300, 1)), None).await?;
    let options = BlobClientCreateSnapshotOptions { metadata: Some(map(&[("taken", "once")])), ..Default::default() };
    let answer = base.create_snapshot(Some(options)).await?;
    results.set("snapshot", said!(answer; etag, snapshot, is_server_encrypted, version_id));
    let snapshot = answer.snapshot()?.ok_or("no snapshot")?;
    base.upload(content(pattern(200, 2)), None).await?;

    let old = base.with_snapshot(&snapshot)?;
    results.set("old", download(&old, None).await?);
    results.set("old_properties", properties(&old).await?);
    results.set("new", download(&base, None).await?);
    let options = BlobContainerClientListBlobsOptions {
        include: Some(vec![ListBlobsIncludeItem::Snapshots, ListBlobsIncludeItem::Metadata]),
        ..Default::default()
    };
    let items: Vec<BlobItem> = one.list_blobs(Some(options))?.try_collect().await?;
    results.set("list", facts(items)?);

    results.set("delete_without", fault(base.delete(None).await));
    let include = BlobClientDeleteOptions { delete_snapshots: Some(DeleteSnapshotsOptionType::Include), ..Default::default() };
    results.set("delete_with", fault(base.delete(Some(include)).await));
    results.set("old_deleted", fault(old.get_properties(None).await));
    Ok(())
}
