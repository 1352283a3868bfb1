// SPDX-License-Identifier: MIT

//! A policy behind the SDK's retries: it keeps what each attempt was answered.

use azure_core::{
    base64,
    http::{
        policies::{Policy, PolicyResult},
        AsyncRawResponse, Body, Context, Request,
    },
};
use md5::{Digest, Md5};
use serde_json::{json, Map, Value};
use std::sync::{Arc, Mutex};

/// What stands for a Content-MD5 that is right, but another one at each run.
const OF_RANDOM: &str = "(MD5 of the request's body)";

#[derive(Debug, Default)]
pub struct Recorder {
    responses: Mutex<Vec<Value>>,
}

impl Recorder {
    /// What was recorded since the last call.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.responses.lock().unwrap())
    }

    /// The statuses so far of requests with this method and end of the path.
    pub fn attempts(&self, method: &str, end: &str) -> Vec<Value> {
        let responses = self.responses.lock().unwrap();
        let is_meant = |one: &&Value| {
            let url = one["url"].as_str().unwrap_or_default();
            one["method"] == method && url.split('?').next().is_some_and(|path| path.ends_with(end))
        };
        responses.iter().filter(is_meant).map(|one| one["status"].clone()).collect()
    }

    fn add(&self, request: &Request, answer: &AsyncRawResponse) {
        let mut headers = Map::new();
        for (name, value) in answer.headers().iter() {
            let value = match name.as_str() {
                "content-md5" if is_of_body(request, value.as_str()) => OF_RANDOM,
                _ => value.as_str(),
            };
            headers.insert(name.as_str().to_lowercase(), value.into());
        }
        self.responses.lock().unwrap().push(json!({
            "method": request.method().as_str(), "url": request.url().as_str(),
            "status": u16::from(answer.status()), "headers": headers,
        }));
    }
}

/// Is this the MD5 of what was sent: a list of blocks whose names the SDK made up?
fn is_of_body(request: &Request, answer: &str) -> bool {
    let is_list = request.url().query_pairs().any(|(name, value)| name == "comp" && value == "blocklist");
    match request.body() {
        Body::Bytes(bytes) if is_list => base64::encode(Md5::digest(bytes)) == answer,
        _ => false,
    }
}

#[async_trait::async_trait]
impl Policy for Recorder {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let answer = next[0].send(ctx, request, &next[1..]).await?;
        self.add(request, &answer);
        Ok(answer)
    }
}
