// SPDX-License-Identifier: MIT

//! Tags, signatures and errors.

use crate::{
    account::Account,
    blobs::{block_id, properties},
    containers::{map, names},
    values::{content, download, facts, fault, pattern, try_download, uploaded, MIB},
    Failure, Outcome, Results,
};
use azure_core::{
    http::{Pager, XmlFormat},
    time::{Duration, OffsetDateTime},
};
use azure_storage_blob::{models::*, BlobContainerClient};
use futures::TryStreamExt;
use serde_json::Value;
use std::num::NonZero;

pub async fn tags(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("tags")?;
    one.create(None).await?;
    for i in 0..4 {
        let each = one.blob_client(&format!("tagged-{i}"));
        each.upload(content(pattern(10, i)), None).await?;
        set(&one, i, &[("colour", ["red", "green"][i % 2]), ("a b", "c/d")]).await?;
    }
    let tagged = one.blob_client("tagged-1");
    results.set("tags", tags_of(&one).await?);
    results.set("properties", properties(&tagged).await?);
    let expression = format!("@container='{}tags' AND \"colour\"='green'", account.prefix);
    results.set("find_in_account", found(account.service()?.find_blobs_by_tags(&expression, None)?).await?);
    results.set("find_in_container", found(one.find_blobs_by_tags("\"colour\"='red' AND \"a b\"='c/d'", None)?).await?);
    results.set("find_nothing", found(one.find_blobs_by_tags("\"colour\"='blue'", None)?).await?);
    set(&one, 1, &[]).await?;
    results.set("tags_removed", tags_of(&one).await?);
    let nameless = BlobTags::from(map(&[("", "x")]));
    results.set("tags_invalid", fault(tagged.set_tags(nameless.try_into()?, None).await));
    Ok(())
}

async fn set(one: &BlobContainerClient, number: usize, tags: &[(&str, &str)]) -> Outcome {
    let tags = BlobTags::from(map(tags));
    one.blob_client(&format!("tagged-{number}")).set_tags(tags.try_into()?, None).await?;
    Ok(())
}

/// The tags of the second blob, by name: the SDK keeps the answer's order.
async fn tags_of(one: &BlobContainerClient) -> Result<Value, Failure> {
    let tags = one.blob_client("tagged-1").get_tags(None).await?.into_model()?;
    let mut all = tags.blob_tag_set.unwrap_or_default();
    all.sort_by(|one, other| one.key.cmp(&other.key));
    facts(all)
}

async fn found(pager: Pager<FilteredBlobResponse, XmlFormat>) -> Result<Value, Failure> {
    match pager.try_collect::<Vec<FilterBlobItem>>().await {
        Ok(items) => facts(items),
        Err(error) => Ok(fault::<()>(Err(error))),
    }
}

/// What the account's SAS permits to a client that has nothing else, and what is left without its signature. The SDK
/// itself makes no SAS from a key.
pub async fn signatures(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("sas")?;
    one.create(None).await?;
    one.blob_client("target é.txt").upload(content(pattern(400, 1)), None).await?;
    let large = BlobClientUploadOptions { partition_size: NonZero::new(64 * MIB as u64), ..Default::default() };
    let answer = one.blob_client("large").upload(content(pattern(20 * MIB, 3)), Some(large)).await?;
    results.set("large_upload", uploaded(answer));
    results.set("large", download(&one.blob_client("large"), None).await?);
    let signed = account.blob_with("sas", "target é.txt", &account.sas)?;
    results.set("blob", download(&signed, None).await?);
    results.set("container", names(&one).await?);

    let forged = replaced(&account.sas, "sig", "c29tZSBvdGhlciBzaWduYXR1cmU%3D");
    let past = replaced(&account.sas, "se", "2020-01-01T00%3A00%3A00Z");
    for (name, query) in [("forged", forged), ("expiry_changed", past), ("none", String::new())] {
        let other = account.blob_with("sas", "target é.txt", &query)?;
        results.set(format!("{name}_properties"), fault(other.get_properties(None).await));
        results.set(format!("{name}_download"), try_download(&other, None).await?);
        results.set(format!("{name}_write"), fault(other.upload(content(pattern(10, 1)), None).await));
    }
    stored_policy(&one, results).await
}

/// The query with another value of one parameter.
fn replaced(query: &str, name: &str, value: &str) -> String {
    let changed = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if key == name => format!("{key}={value}"),
        _ => pair.to_owned(),
    });
    changed.collect::<Vec<_>>().join("&")
}

/// An account SAS does not permit this; what is said of it counts.
async fn stored_policy(one: &BlobContainerClient, results: &mut Results) -> Outcome {
    let now = OffsetDateTime::now_utc();
    let policy = AccessPolicy { start: Some(now), expiry: Some(now + Duration::hours(1)), permission: Some("rl".to_owned()) };
    let readers = SignedIdentifier { id: Some("readers".to_owned()), access_policy: Some(policy) };
    let all = SignedIdentifiers { items: Some(vec![readers]) };
    results.set("set_policy", fault(one.set_access_policy(all.try_into()?, None).await));
    Ok(())
}

pub async fn faults(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("errors")?;
    one.create(None).await?;
    let there = one.blob_client("there");
    there.upload(content(pattern(1000, 1)), None).await?;

    let absent = account.container("errors-absent")?;
    results.set("no_container", fault(absent.get_properties(None).await));
    results.set("no_container_of_blob", try_download(&absent.blob_client("x"), None).await?);
    results.set("no_blob", fault(one.blob_client("absent").get_properties(None).await));
    results.set("no_blob_of_download", try_download(&one.blob_client("absent"), None).await?);
    results.set("container_name", fault(account.container("Bad--Name_")?.create(None).await));
    let forged = account.container_at(&account.endpoint, "errors", &replaced(&account.sas, "sig", "eA%3D%3D"))?;
    results.set("wrong_signature", fault(forged.get_properties(None).await));
    results.set("wrong_signature_of_list", fault(forged.list_blobs(None)?.into_pages().try_next().await));

    let list = BlockLookupList { latest: Some(vec![block_id(42)]), ..Default::default() };
    results.set("block_list", fault(there.block_blob_client().commit_block_list(list.try_into()?, None).await));
    let appended = there.append_blob_client().append_block(content(pattern(10, 1)), 10, None).await;
    results.set("blob_type", fault(appended));
    page_faults(&one, results).await
}

async fn page_faults(one: &BlobContainerClient, results: &mut Results) -> Outcome {
    let disk = one.blob_client("disk").page_blob_client();
    disk.create(1024, None).await?;
    for (name, offset) in [("page_not_aligned", 100), ("page_beyond_the_end", 2048)] {
        let written = disk.upload_pages(content(pattern(512, 1)), 512, HttpRange::new(offset, 512), None).await;
        results.set(name, fault(written));
    }
    results.set("page_size", fault(disk.create(1000, None).await));
    let wrong = PageBlobClientUploadPagesOptions { transactional_content_md5: Some(vec![0; 16]), ..Default::default() };
    let written = disk.upload_pages(content(pattern(512, 1)), 512, HttpRange::new(0, 512), Some(wrong)).await;
    results.set("wrong_md5", fault(written));
    Ok(())
}
