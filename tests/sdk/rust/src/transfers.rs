// SPDX-License-Identifier: MIT

//! Large bodies, retries and copies.

use crate::{
    account::Account,
    blobs::{block_id, properties},
    containers::map,
    said,
    values::{content, digest, download, facts, fault, pattern, try_download, uploaded, MIB},
    Outcome, Results,
};
use azure_storage_blob::{models::*, BlobContainerClient};
use futures::TryStreamExt;
use serde_json::json;
use std::{num::NonZero, time::Duration};

fn parts(size: usize) -> BlobClientUploadOptions<'static> {
    BlobClientUploadOptions { partition_size: NonZero::new(size as u64), parallel: NonZero::new(4), ..Default::default() }
}

pub async fn parallel_upload(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("parallel-upload")?;
    one.create(None).await?;
    let body = pattern(20 * MIB, 5);
    // One size is the threshold of a single Put Blob and that of a block; 4 MiB if it isn't set.
    let ways = [("parallel", Some(parts(MIB))), ("single", Some(parts(64 * MIB))), ("default", None)];
    for (name, options) in ways {
        let target = one.blob_client(name);
        let mut answer = target.upload(content(body.clone()), options).await?;
        if name != "single" {
            answer.content_md5 = None; // of the list of blocks, whose names the SDK makes up
        }
        results.set(name, uploaded(answer));
    }
    for name in ["parallel", "single", "default"] {
        let from = one.blob_client(name);
        results.set(format!("{name}_download"), download(&from, None).await?);
        results.set(format!("{name}_properties"), properties(&from).await?);
    }
    // The single one may have some, too: a proxy stages a body that is too large for one transfer.
    for name in ["parallel", "default"] {
        let blocks = one.blob_client(name).block_blob_client();
        let list = blocks.get_block_list(BlockListType::All, None).await?.into_model()?;
        results.set(format!("{name}_blocks"), list.committed_blocks.unwrap_or_default().len());
    }
    let items: Vec<BlobItem> = one.list_blobs(None)?.try_collect().await?;
    results.set("list", facts(items)?);
    Ok(())
}

fn range(range: HttpRange) -> BlobClientDownloadOptions<'static> {
    BlobClientDownloadOptions { range: Some(range), ..Default::default() }
}

pub async fn downloads(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("downloads")?;
    one.create(None).await?;
    one.blob_client("large").upload(content(pattern(40 * MIB, 6)), Some(parts(64 * MIB))).await?;
    let large = one.blob_client("large");
    let mib = MIB as u64;
    results.set("default", download(&large, None).await?);
    let whole = |options: BlobClientDownloadOptions<'static>| BlobClientDownloadOptions {
        partition_size: NonZero::new(64 * MIB),
        ..options
    };
    results.set("one_request", download(&large, Some(whole(Default::default()))).await?);
    let ranges = [
        ("middle", HttpRange::new(5 * mib + 3, 17 * mib)),
        ("open_ended", HttpRange::from_offset(30 * mib + 1)),
        ("one_byte", HttpRange::new(40 * mib - 1, 1)),
        ("past_the_end", HttpRange::new(39 * mib, 4 * mib)),
        ("beyond_the_end", HttpRange::new(50 * mib, 10)),
    ];
    for (name, part) in ranges {
        results.set(name, try_download(&large, Some(range(part.clone()))).await?);
        results.set(format!("{name}_one_request"), try_download(&large, Some(whole(range(part)))).await?);
    }
    let md5 = BlobClientDownloadOptions { range_get_content_md5: Some(true), ..range(HttpRange::new(mib, 4 * mib)) };
    results.set("md5", try_download(&large, Some(md5)).await?);

    let chunks =
        BlobClientDownloadOptions { partition_size: NonZero::new(4 * MIB), parallel: NonZero::new(4), ..Default::default() };
    let mut buffer = vec![0; 40 * MIB];
    let read = large.download_into(&mut buffer, Some(chunks)).await?;
    results.set("parallel", json!({"length": read.len, "sha256": digest(&buffer)}));
    Ok(())
}

pub async fn retries(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("retries")?;
    one.create(None).await?;
    let Some(endpoint) = &account.flaky else {
        results.set("flaky", "no forwarder");
        return Ok(());
    };
    let flaky = account.container_at(endpoint, "retries", &account.sas)?.blob_client("retry-1");
    results.set("upload", uploaded(flaky.upload(content(pattern(3 * MIB, 7)), None).await?));
    results.set("attempts", account.recorder.attempts("PUT", &format!("{}retries/retry-1", account.prefix)));
    results.set("download", download(&one.blob_client("retry-1"), None).await?);
    Ok(())
}

/// The source is open to everybody: with a SAS in its URL, Azurite would fetch it there, and does not resolve the name that
/// it has behind a proxy.
pub async fn copies(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("copy")?;
    let open = BlobContainerClientCreateOptions { access: Some(PublicAccessType::Blob), ..Default::default() };
    one.create(Some(open)).await?;
    let options = BlobClientUploadOptions {
        metadata: Some(map(&[("from", "source")])),
        blob_content_type: Some("text/plain".to_owned()),
        ..Default::default()
    };
    one.blob_client("source").upload(content(pattern(70000, 8)), Some(options)).await?;

    let started = one.blob_client("started");
    let answer = started.start_copy_from_url(account.source("copy", "source", "")?, None).await?;
    results.set("start", said!(answer; etag, copy_id, copy_status, version_id));
    let id = answer.copy_id()?.unwrap_or_default();
    while started.get_properties(None).await?.copy_status()? == Some(CopyStatus::Pending) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    results.set("properties", properties(&started).await?);
    results.set("download", download(&started, None).await?);
    results.set("abort", fault(started.abort_copy(&id, None).await));
    let absent = account.source("copy", "absent", "")?;
    results.set("absent", fault(one.blob_client("nothing").start_copy_from_url(absent, None).await));
    from_url(&one, account.source("copy", "source", &account.sas)?, results).await
}

/// Copies whose result is a block or a whole block blob; not every emulator knows them.
async fn from_url(one: &BlobContainerClient, source: String, results: &mut Results) -> Outcome {
    let put = one.blob_client("put").block_blob_client();
    results.set("put_from_url", fault(put.upload_blob_from_url(source.clone(), None).await));
    let block = one.blob_client("block").block_blob_client();
    results.set("block_from_url", fault(block.stage_block_from_url(&block_id(0), 0, source, None).await));
    Ok(())
}
