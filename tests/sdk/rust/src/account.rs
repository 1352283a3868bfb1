// SPDX-License-Identifier: MIT

//! What the environment says of the account, and clients of it whose answers are recorded. The SDK has no SharedKey:
//! its clients take an account SAS in their URL, or a token over TLS.

use crate::{record::Recorder, Failure};
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport, Url},
    time::{Duration, OffsetDateTime},
};
use azure_storage_blob::{
    BlobClient, BlobClientOptions, BlobContainerClient, BlobContainerClientOptions, BlobServiceClient, BlobServiceClientOptions,
};
use std::{env, fmt, fs, sync::Arc};

pub struct Account {
    pub endpoint: String,
    pub flaky: Option<String>,
    tls: Option<((String, String), String)>,
    pub sas: String,
    pub prefix: String,
    pub recorder: Arc<Recorder>,
}

impl Account {
    pub fn from_environment() -> Result<Self, Failure> {
        let needed = |name: &str| env::var(name).map_err(|_| format!("{name} must be set"));
        let given = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
        Ok(Self {
            endpoint: needed("SDK_ENDPOINT")?,
            flaky: given("SDK_FLAKY_ENDPOINT"),
            tls: given("SDK_TLS_ENDPOINT").zip(given("SDK_CA_FILE")).zip(given("SDK_TOKEN")),
            sas: needed("SDK_SAS")?.trim_start_matches('?').to_owned(),
            prefix: needed("SDK_PREFIX")?,
            recorder: Arc::default(),
        })
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions {
            per_try_policies: vec![self.recorder.clone()],
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                initial_delay: Duration::milliseconds(10),
                max_retries: 3,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn url(endpoint: &str, path: &str, query: &str) -> Result<Url, Failure> {
        let mut url = Url::parse(endpoint)?;
        if !path.is_empty() {
            url.path_segments_mut().map_err(|()| "the endpoint has no path")?.extend(path.split('/'));
        }
        url.set_query(Some(query).filter(|text| !text.is_empty()));
        Ok(url)
    }

    pub fn service(&self) -> Result<BlobServiceClient, Failure> {
        let options = BlobServiceClientOptions { client_options: self.client_options(), ..Default::default() };
        Ok(BlobServiceClient::new(Self::url(&self.endpoint, "", &self.sas)?, None, Some(options))?)
    }

    /// A client of the container with this name behind the run's prefix.
    pub fn container(&self, name: &str) -> Result<BlobContainerClient, Failure> {
        self.container_at(&self.endpoint, name, &self.sas)
    }

    /// The same, at another endpoint and with a query of one's own: another signature, or none.
    pub fn container_at(&self, endpoint: &str, name: &str, query: &str) -> Result<BlobContainerClient, Failure> {
        let options = BlobContainerClientOptions { client_options: self.client_options(), ..Default::default() };
        let url = Self::url(endpoint, &format!("{}{name}", self.prefix), query)?;
        Ok(BlobContainerClient::new(url, None, Some(options))?)
    }

    /// A client of a blob that has no right but what the query gives.
    pub fn blob_with(&self, container: &str, name: &str, query: &str) -> Result<BlobClient, Failure> {
        let options = BlobClientOptions { client_options: self.client_options(), ..Default::default() };
        let url = Self::url(&self.endpoint, &format!("{}{container}/{name}", self.prefix), query)?;
        Ok(BlobClient::new(url, None, Some(options))?)
    }

    /// The URL of a blob as the source of a copy.
    pub fn source(&self, container: &str, name: &str, query: &str) -> Result<String, Failure> {
        Ok(Self::url(&self.endpoint, &format!("{}{container}/{name}", self.prefix), query)?.into())
    }

    /// A client with a token, over TLS, if there is such an endpoint.
    pub fn token_service(&self) -> Result<Option<BlobServiceClient>, Failure> {
        let Some(((endpoint, ca_file), token)) = &self.tls else {
            return Ok(None);
        };
        let authority = reqwest::Certificate::from_pem(&fs::read(ca_file)?)?;
        let client = reqwest::Client::builder().tls_certs_only([authority]).build()?;
        let options = BlobServiceClientOptions {
            client_options: ClientOptions { transport: Some(Transport::new(Arc::new(client))), ..self.client_options() },
            ..Default::default()
        };
        Ok(Some(BlobServiceClient::new(Url::parse(endpoint)?, Some(Arc::new(GivenToken(token.clone()))), Some(options))?))
    }
}

/// A credential that always has the same token.
struct GivenToken(String);

impl fmt::Debug for GivenToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("GivenToken")
    }
}

#[async_trait::async_trait]
impl TokenCredential for GivenToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::hours(24)))
    }
}
