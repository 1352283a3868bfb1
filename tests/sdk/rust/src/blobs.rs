// SPDX-License-Identifier: MIT

//! Blobs of the three types.

use crate::{
    account::Account,
    containers::{map, names},
    said,
    values::{content, download, facts, fault, pattern, uploaded},
    Failure, Outcome, Results,
};
use azure_core::http::Etag;
use azure_storage_blob::{models::*, BlobClient, BlobContainerClient, PageBlobClient};
use futures::TryStreamExt;
use serde_json::{Map, Value};

pub async fn properties(of: &BlobClient) -> Result<Value, Failure> {
    let answer = of.get_properties(None).await?;
    Ok(said!(answer;
        cache_control, content_disposition, content_encoding, content_language, content_length, content_md5, content_type, etag,
        access_tier, access_tier_inferred, archive_status, blob_committed_block_count, is_sealed, blob_sequence_number, blob_type,
        copy_id, copy_progress, copy_source, copy_status, copy_status_description, duration, lease_state, lease_status, metadata,
        is_server_encrypted, tag_count, version_id))
}

pub async fn block_blobs(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("block-blobs")?;
    one.create(None).await?;
    small_text(&one.blob_client("small.txt"), results).await?;
    blocks(&one.blob_client("blocks.bin"), results).await?;
    odd_names(&one, results).await?;

    let empty = one.blob_client("empty");
    empty.upload(content(Vec::new()), None).await?;
    results.set("empty", download(&empty, None).await?);
    results.set("delete", fault(empty.delete(None).await));
    results.set("delete_again", fault(empty.delete(None).await));
    Ok(())
}

async fn small_text(text: &BlobClient, results: &mut Results) -> Outcome {
    let options = BlobClientUploadOptions {
        blob_content_type: Some("text/plain; charset=utf-8".to_owned()),
        blob_content_language: Some("de".to_owned()),
        blob_content_disposition: Some("attachment; filename=\"a b.txt\"".to_owned()),
        blob_cache_control: Some("max-age=60".to_owned()),
        metadata: Some(map(&[("one", "1"), ("two", "b c")])),
        tier: Some(AccessTier::Cool),
        ..Default::default()
    };
    let options = options.with_tags(map(&[("kind", "text")]));
    let body = "grüße, small text\n".as_bytes().to_vec();
    results.set("upload", uploaded(text.upload(content(body), Some(options)).await?));
    results.set("properties", properties(text).await?);
    results.set("download", download(text, None).await?);

    let unless = BlobClientUploadOptions { if_none_match: Some(Etag::from("*")), ..Default::default() };
    results.set("overwrite", fault(text.upload(content(b"no".to_vec()), Some(unless)).await));

    let changed = BlobClientSetPropertiesOptions {
        blob_content_type: Some("text/html".to_owned()),
        blob_content_encoding: Some("identity".to_owned()),
        ..Default::default()
    };
    text.set_properties(Some(changed)).await?;
    text.set_metadata(&map(&[("three", "3")]), None).await?;
    results.set("properties_after", properties(text).await?);
    Ok(())
}

pub fn block_id(number: usize) -> Vec<u8> {
    format!("block-{number:06}").into_bytes()
}

async fn blocks(into: &BlobClient, results: &mut Results) -> Outcome {
    let blocks = into.block_blob_client();
    for i in 0..3 {
        let body = pattern(1000 + i, i);
        let answer = blocks.stage_block(&block_id(i), body.len() as u64, content(body), None).await?;
        results.set(format!("stage_{i}"), said!(answer; content_md5, content_crc64, is_server_encrypted));
    }
    let answer = blocks.get_block_list(BlockListType::All, None).await?;
    results.set("list_staged_head", said!(answer; etag, blob_content_length));
    results.set("list_staged", facts(answer.into_model()?)?);

    let list = BlockLookupList { latest: Some((0..3).map(block_id).collect()), ..Default::default() };
    let options = BlockBlobClientCommitBlockListOptions { metadata: Some(map(&[("blocks", "3")])), ..Default::default() };
    let answer = blocks.commit_block_list(list.try_into()?, Some(options)).await?;
    results.set("commit", said!(answer; etag, content_md5, content_crc64, is_server_encrypted, version_id));
    results.set("list_committed", facts(blocks.get_block_list(BlockListType::All, None).await?.into_model()?)?);
    results.set("blocks", download(into, None).await?);
    Ok(())
}

async fn odd_names(one: &BlobContainerClient, results: &mut Results) -> Outcome {
    let wanted = [
        "with blanks in it",
        "percent % and %41",
        "plus+plus",
        "hash#tag",
        "question?mark=1",
        "ünïcødé-文字-😀",
        "a//b",
        "~()!*",
        "a&b=c;d",
        "dir/ name /x",
    ];
    let mut seen = Map::new();
    for (i, name) in wanted.iter().enumerate() {
        let odd = one.blob_client(name);
        odd.upload(content(pattern(64, i)), None).await?;
        seen.insert(name.to_string(), download(&odd, None).await?["sha256"].take());
    }
    results.set("names", seen);
    results.set("names_listed", names(one).await?);
    Ok(())
}

pub async fn append_blobs(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("append-blobs")?;
    one.create(None).await?;
    let log = one.blob_client("log");
    let append = log.append_blob_client();
    let options = AppendBlobClientCreateOptions { metadata: Some(map(&[("kind", "log")])), ..Default::default() };
    let answer = append.create(Some(options)).await?;
    results.set("create", said!(answer; etag, content_md5, is_server_encrypted, version_id));
    for i in 0..3 {
        let answer = append.append_block(content(pattern(500, i)), 500, None).await?;
        results.set(
            format!("append_{i}"),
            said!(answer; etag, content_md5, content_crc64, blob_append_offset, blob_committed_block_count, is_server_encrypted),
        );
    }
    for (name, position) in [("wrong_position", 7), ("right_position", 1500)] {
        let options = AppendBlobClientAppendBlockOptions { append_position: Some(position), ..Default::default() };
        results.set(name, fault(append.append_block(content(pattern(10, 4)), 10, Some(options)).await));
    }
    results.set("seal", fault(append.seal(None).await));
    results.set("append_sealed", fault(append.append_block(content(pattern(10, 5)), 10, None).await));
    results.set("properties", properties(&log).await?);
    results.set("download", download(&log, None).await?);
    Ok(())
}

pub async fn page_blobs(account: &Account, results: &mut Results) -> Outcome {
    let one = account.container("page-blobs")?;
    one.create(None).await?;
    let disk = one.blob_client("disk");
    let pages = disk.page_blob_client();
    let options = PageBlobClientCreateOptions { blob_sequence_number: Some(3), ..Default::default() };
    let answer = pages.create(4096, Some(options)).await?;
    results.set("create", said!(answer; etag, content_md5, is_server_encrypted, version_id));
    for (i, offset, length) in [(0, 0, 512), (1, 1024, 1024)] {
        let body = content(pattern(length, i + 1));
        let answer = pages.upload_pages(body, length as u64, HttpRange::new(offset, length as u64), None).await?;
        results.set(
            format!("write_{i}"),
            said!(answer; etag, content_md5, content_crc64, blob_sequence_number, is_server_encrypted),
        );
    }
    results.set("ranges", ranges(&pages).await?);
    let answer = pages.clear_pages(HttpRange::new(1024, 512), None).await?;
    results.set("clear", said!(answer; etag, content_md5, content_crc64, blob_sequence_number));
    results.set("ranges_after_clear", ranges(&pages).await?);
    results.set("resize", fault(pages.resize(8192, None).await)); // an emulator may not know it with a SAS
    let options = PageBlobClientSetSequenceNumberOptions { blob_sequence_number: Some(9), ..Default::default() };
    let answer = pages.set_sequence_number(SequenceNumberActionType::Max, Some(options)).await?;
    results.set("sequence_number", said!(answer; etag, blob_sequence_number));
    let less = PageBlobClientUploadPagesOptions { if_sequence_number_less_than: Some(5), ..Default::default() };
    let written = pages.upload_pages(content(pattern(512, 3)), 512, HttpRange::new(0, 512), Some(less)).await;
    results.set("sequence_condition", fault(written));
    results.set("properties", properties(&disk).await?);
    let range = BlobClientDownloadOptions { range: Some(HttpRange::new(256, 2048)), ..Default::default() };
    results.set("range", download(&disk, Some(range)).await?);
    results.set("download", download(&disk, None).await?);
    Ok(())
}

async fn ranges(of: &PageBlobClient) -> Result<Value, Failure> {
    let mut all = Vec::new();
    let mut pager = of.list_page_ranges(None)?;
    while let Some(page) = pager.try_next().await? {
        all.push(said!(page; etag, blob_content_length));
        all.push(facts(page.into_model()?)?);
    }
    Ok(all.into())
}
