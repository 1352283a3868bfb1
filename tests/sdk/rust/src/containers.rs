// SPDX-License-Identifier: MIT

//! Containers, listings, and what the service says of itself. The SDK lists without folders only.

use crate::{
    account::Account,
    said,
    values::{content, digest, download, facts, fault, pattern, uploaded, MIB},
    Failure, Outcome, Results,
};
use azure_core::time::{Duration, OffsetDateTime};
use azure_storage_blob::{models::*, BlobContainerClient};
use futures::TryStreamExt;
use serde_json::{json, Value};
use std::collections::HashMap;

pub fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

pub async fn containers(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("containers")?;
    let options =
        BlobContainerClientCreateOptions { metadata: Some(map(&[("colour", "green"), ("number", "7")])), ..Default::default() };
    results.set("create", fault(one.create(Some(options)).await));
    results.set("create_again", fault(one.create(None).await));
    one.set_metadata(&map(&[("colour", "blue"), ("empty", "")]), None).await?;
    let answer = one.get_properties(None).await?;
    results.set(
        "properties",
        said!(answer; etag, has_immutability_policy, has_legal_hold, lease_state, lease_status, metadata, access),
    );
    results.set("list", listed(account, "containers").await?);
    public(account, &one, results).await?;

    one.delete(None).await?;
    results.set("deleted", fault(one.get_properties(None).await));
    results.set("deleted_exists", one.exists().await?);
    results.set("deleted_list", fault(one.list_blobs(None)?.into_pages().try_next().await));
    Ok(())
}

async fn listed(account: &Account, name: &str) -> Result<Value, Failure> {
    let options = BlobServiceClientListContainersOptions {
        prefix: Some(format!("{}{name}", account.prefix)),
        include: Some(vec![ListContainersIncludeType::Metadata]),
        ..Default::default()
    };
    let items: Vec<ContainerItem> = account.service()?.list_containers(Some(options))?.try_collect().await?;
    facts(items)
}

/// Readers without a name may read a blob, but not list. An account SAS does not permit to read or set this afterwards.
async fn public(account: &Account, one: &BlobContainerClient, results: &mut Results) -> Outcome {
    let options = BlobContainerClientSetAccessPolicyOptions { access: Some(PublicAccessType::Blob), ..Default::default() };
    results.set("set_acl", fault(one.set_access_policy(SignedIdentifiers::default().try_into()?, Some(options)).await));
    results.set("get_acl", fault(one.get_access_policy(None).await));

    let open = account.container("open")?;
    let options = BlobContainerClientCreateOptions { access: Some(PublicAccessType::Blob), ..Default::default() };
    open.create(Some(options)).await?;
    results.set("open_properties", said!(open.get_properties(None).await?; etag, access));
    open.blob_client("open.txt").upload(content(pattern(100, 1)), None).await?;
    let anonymous = account.blob_with("open", "open.txt", "")?;
    results.set("anonymous", download(&anonymous, None).await?);
    let nobody = account.container_at(&account.endpoint, "open", "")?;
    results.set("anonymous_list", fault(nobody.list_blobs(None)?.into_pages().try_next().await));
    Ok(())
}

pub async fn names(one: &BlobContainerClient) -> Result<Vec<String>, Failure> {
    let items: Vec<BlobItem> = one.list_blobs(None)?.try_collect().await?;
    Ok(items.into_iter().filter_map(|item| item.name).collect())
}

pub async fn listings(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("listings")?;
    one.create(None).await?;
    for i in 0..25 {
        let options = BlobClientUploadOptions { metadata: Some(map(&[("number", &i.to_string())])), ..Default::default() };
        let options = options.with_tags(map(&[("half", &(i % 2).to_string())]));
        let name = format!("folder{}/blob-{i:02}", i % 3);
        one.blob_client(&name).upload(content(pattern(i, i)), Some(options)).await?;
    }
    let mut pages = Vec::new();
    let options = BlobContainerClientListBlobsOptions { maxresults: Some(7), ..Default::default() };
    let mut pager = one.list_blobs(Some(options))?.into_pages();
    while let Some(page) = pager.try_next().await? {
        pages.push(facts(page.into_model()?)?);
    }
    results.set("flat", pages);
    let options = BlobContainerClientListBlobsOptions {
        prefix: Some("folder2/".to_owned()),
        include: Some(vec![ListBlobsIncludeItem::Metadata, ListBlobsIncludeItem::Tags]),
        ..Default::default()
    };
    let items: Vec<BlobItem> = one.list_blobs(Some(options))?.try_collect().await?;
    results.set("with_metadata_and_tags", facts(items)?);
    Ok(())
}

fn properties() -> BlobServiceProperties {
    let off = Some(RetentionPolicy { enabled: Some(false), ..Default::default() });
    let version = Some("1.0".to_owned());
    let metrics = Metrics { version: version.clone(), enabled: Some(false), retention_policy: off.clone(), ..Default::default() };
    BlobServiceProperties {
        logging: Some(Logging {
            version,
            read: Some(true),
            write: Some(true),
            delete: Some(false),
            retention_policy: off.clone(),
        }),
        hour_metrics: Some(metrics.clone()),
        minute_metrics: Some(metrics),
        delete_retention_policy: off,
        cors: Some(vec![CorsRule {
            allowed_origins: Some("https://example.org".to_owned()),
            allowed_methods: Some("GET,PUT".to_owned()),
            allowed_headers: Some(String::new()),
            exposed_headers: Some(String::new()),
            max_age_in_seconds: Some(60),
        }]),
        ..Default::default()
    }
}

pub async fn service(account: &Account, results: &mut Results) -> Outcome {
    let service = account.service()?;
    results.set("set_properties", fault(service.set_properties(properties().try_into()?, None).await));
    results.set("properties", facts(service.get_properties(None).await?.into_model()?)?);
    let answer = service.get_account_info(None).await?;
    results.set("account_info", said!(answer; account_kind, sku_name, is_hierarchical_namespace_enabled));
    results.set("statistics", fault(service.get_statistics(None).await));

    for i in 0..5 {
        account.container(&format!("service-{i}"))?.create(None).await?;
    }
    let options = BlobServiceClientListContainersOptions {
        prefix: Some(format!("{}service-", account.prefix)),
        maxresults: Some(2),
        ..Default::default()
    };
    let mut pages = Vec::new();
    let mut pager = service.list_containers(Some(options))?.into_pages();
    while let Some(page) = pager.try_next().await? {
        pages.push(facts(page.into_model()?)?);
    }
    results.set("containers", pages);
    delegation(account, results).await
}

/// What needs a token, and so TLS.
async fn delegation(account: &Account, results: &mut Results) -> Outcome {
    let Some(service) = account.token_service()? else {
        return Ok(());
    };
    let now = OffsetDateTime::now_utc();
    let info = KeyInfo { start: Some(now), expiry: Some(now + Duration::hours(1)), ..Default::default() };
    let key = service.get_user_delegation_key(info.try_into()?, None).await?.into_model()?;
    results.set("delegation_key", json!({"has_value": key.value.is_some(), "oid": key.signed_oid, "tid": key.signed_tid}));

    let one = service.blob_container_client(&format!("{}token", account.prefix));
    one.create(None).await?;
    let target = one.blob_client("small");
    results.set("token_upload", uploaded(target.upload(content(pattern(MIB, 1)), None).await?));
    let whole = BlobClientUploadOptions { partition_size: std::num::NonZero::new(64 * MIB as u64), ..Default::default() };
    let large = one.blob_client("large");
    results.set("token_upload_large", fault(large.upload(content(pattern(20 * MIB, 2)), Some(whole)).await));
    let mut buffer = vec![0; 20 * MIB];
    let read = large.download_into(&mut buffer, None).await?;
    results.set("token_download_large", json!({"length": read.len, "sha256": digest(&buffer)}));
    Ok(())
}
