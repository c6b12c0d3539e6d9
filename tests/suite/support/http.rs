//! A blocking HTTP client.

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// The client: requests end before the calls return.
pub struct Http {
    runtime: Runtime,
    client: reqwest::Client,
}

/// An answer, complete.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header, when it is there and plain.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Http {
    pub fn new() -> Self {
        // another test of this process may have installed it
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        // A connection kept for later may be closed by a server that is killed or restarted meanwhile.
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(super::PATIENCE)
            .build()
            .expect("a client");
        Self { runtime, client }
    }

    /// One request; `None` when there is no answer.
    pub fn ask(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<Reply> {
        let mut request = self.client.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let response = request.send().await.ok()?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await.ok()?.to_vec();
            Some(Reply { status, headers, body })
        })
    }

    /// GET; `None` when there is no answer.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Option<Reply> {
        self.ask(Method::GET, url, headers, Vec::new())
    }

    /// POST; `None` when there is no answer.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<Reply> {
        self.ask(Method::POST, url, headers, body)
    }
}
