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
use std::{env, fs, sync::Arc};

pub struct Account {
    pub endpoint: String,
    pub flaky: Option<String>,
    tls: Option<(String, String)>,
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
            tls: given("SDK_TLS_ENDPOINT").zip(given("SDK_CA_FILE")),
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

    /// The URL of a blob with the account SAS, as the source of a copy.
    pub fn source(&self, container: &str, name: &str) -> Result<String, Failure> {
        Ok(Self::url(&self.endpoint, &format!("{}{container}/{name}", self.prefix), &self.sas)?.into())
    }

    /// A client with a token, over TLS, if there is such an endpoint.
    pub fn token_service(&self) -> Result<Option<BlobServiceClient>, Failure> {
        let Some((endpoint, ca_file)) = &self.tls else {
            return Ok(None);
        };
        let authority = reqwest::Certificate::from_pem(&fs::read(ca_file)?)?;
        let client = reqwest::Client::builder().tls_certs_only([authority]).build()?;
        let options = BlobServiceClientOptions {
            client_options: ClientOptions { transport: Some(Transport::new(Arc::new(client))), ..self.client_options() },
            ..Default::default()
        };
        Ok(Some(BlobServiceClient::new(Url::parse(endpoint)?, Some(Arc::new(FakeToken)), Some(options))?))
    }
}

/// A token that nobody signed; an emulator looks at what it claims only.
#[derive(Debug)]
struct FakeToken;

#[async_trait::async_trait]
impl TokenCredential for FakeToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let claims = concat!(
            r#"{"aud":"https://storage.azure.com","iss":"https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/","#,
            r#""iat":1700000000,"nbf":1700000000,"exp":4102444800,"oid":"11059fcc-5514-4800-b5f8-49808b9cfab6","#,
            r#""tid":"ab1f708d-50f6-404c-a006-d71b2ac7a606"}"#
        );
        let parts = [r#"{"alg":"none","typ":"JWT"}"#, claims, "none"];
        let token = parts.map(azure_core::base64::encode_url_safe).join(".");
        let expires_on = OffsetDateTime::from_unix_timestamp(4102444800).expect("a date");
        Ok(AccessToken::new(token, expires_on))
    }
}
