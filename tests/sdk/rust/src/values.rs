// SPDX-License-Identifier: MIT

//! Bodies, and what an application sees of answers and errors, as JSON.

use crate::Failure;
use azure_core::{
    http::{headers::Headers, NoFormat, RequestContent},
    Bytes,
};
use azure_storage_blob::{
    models::{BlobClientDownloadOptions, BlobClientDownloadResult, BlobClientUploadResult, BlobDownloadProperties},
    BlobClient, StorageError,
};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

pub const MIB: usize = 1 << 20;

/// The content of a body: byte i is (i*7+seed)%251.
pub fn pattern(count: usize, seed: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * 7 + seed) % 251) as u8).collect()
}

pub fn content(body: Vec<u8>) -> RequestContent<Bytes, NoFormat> {
    RequestContent::from(body)
}

pub fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an application sees of a call's end.
pub fn fault<T>(result: azure_core::Result<T>) -> Value {
    let error = match result {
        Ok(_) => return json!("no error"),
        Err(error) => error,
    };
    let kind = format!("{:?}", error.kind()).split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    match StorageError::try_from(error) {
        Ok(known) => json!({
            "type": "StorageError", "status": u16::from(known.status_code),
            "code": known.error_code.map(|code| code.to_string()), "message": known.message,
        }),
        Err(_) => json!({"type": "azure_core::Error", "kind": kind}),
    }
}

/// A model of the SDK without its empty fields.
pub fn facts<T: Serialize>(model: T) -> Result<Value, Failure> {
    Ok(present(serde_json::to_value(model)?))
}

fn present(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().filter(|(_, inner)| !inner.is_null()).map(|(name, inner)| (name, present(inner))).collect()
        }
        Value::Array(items) => items.into_iter().map(present).collect(),
        other => other,
    }
}

/// The fields that the SDK's typed readers find in an answer's head.
#[macro_export]
macro_rules! said {
    ($answer:expr; $($field:ident),+ $(,)?) => {{
        let answer = &$answer;
        let mut fields = serde_json::Map::new();
        $(fields.insert(stringify!($field).to_owned(), serde_json::to_value(answer.$field()?)?);)+
        $crate::values::facts(fields)?
    }};
}

fn request_id(headers: &Headers) -> Value {
    headers.iter().any(|(name, _)| name.as_str() == "x-ms-request-id").into()
}

pub fn uploaded(result: BlobClientUploadResult) -> Value {
    let status = u16::from(result.raw_response.status());
    json!({
        "etag": result.etag, "content_md5": result.content_md5, "content_crc64": result.content_crc64,
        "is_server_encrypted": result.is_server_encrypted, "version_id": result.version_id, "status": status,
        "has_last_modified": result.last_modified.is_some(), "has_request_id": request_id(result.raw_response.headers()),
    })
}

fn described(said: &BlobDownloadProperties) -> Result<Value, Failure> {
    facts(json!({
        "etag": said.etag, "has_last_modified": said.last_modified.is_some(), "has_created_on": said.created_on.is_some(),
        "content_length": said.content_length, "content_type": said.content_type, "cache_control": said.cache_control,
        "content_disposition": said.content_disposition, "content_encoding": said.content_encoding,
        "content_language": said.content_language, "content_md5": said.content_md5, "content_crc64": said.content_crc64,
        "blob_content_md5": said.blob_content_md5, "blob_type": said.blob_type, "lease_state": said.lease_state,
        "blob_sequence_number": said.blob_sequence_number, "blob_committed_block_count": said.blob_committed_block_count,
        "is_sealed": said.is_sealed, "metadata": said.metadata, "lease_status": said.lease_status,
        "copy_status": said.copy_status, "copy_source": said.copy_source, "copy_progress": said.copy_progress,
        "tag_count": said.tag_count, "version_id": said.version_id,
    }))
}

pub async fn collected(answer: BlobClientDownloadResult) -> Result<Value, Failure> {
    let facts = described(&answer.properties)?;
    let mut hash = Sha256::new();
    let mut length = 0;
    let mut body = answer.body;
    while let Some(piece) = body.try_next().await? {
        length += piece.len();
        hash.update(&piece);
    }
    let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({"facts": facts, "length": length, "sha256": sha256}))
}

/// The whole blob, or what the options choose: what the SDK says of it, and the hash of its bytes.
pub async fn download(from: &BlobClient, options: Option<BlobClientDownloadOptions<'_>>) -> Result<Value, Failure> {
    collected(from.download(options).await?).await
}

/// The same, where the call or its stream may end in an error.
pub async fn try_download(from: &BlobClient, options: Option<BlobClientDownloadOptions<'_>>) -> Result<Value, Failure> {
    match from.download(options).await {
        Ok(answer) => collected(answer).await,
        Err(error) => Ok(fault::<()>(Err(error))),
    }
}
