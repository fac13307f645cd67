//! A Redis behind TLS: whom it takes for its server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use serde_json::json;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::backend::Backend;
use crate::program::{Program, config, run};
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

/// A door with TLS in front of a server. It has signed its certificate itself.
struct Door {
    port: u16,
    certificate: String,
    /// How many handshakes were brought to their end.
    shaken: Arc<AtomicUsize>,
}

impl Door {
    async fn to(inside: SocketAddr, name: &str) -> Door {
        bullock::http::client::install_crypto();
        let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![signed.cert.der().clone()], key).unwrap();
        let (acceptor, shaken) = (TlsAcceptor::from(Arc::new(config)), Arc::new(AtomicUsize::new(0)));
        let door = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, count) = (door.local_addr().unwrap().port(), Arc::clone(&shaken));
        tokio::spawn(async move {
            while let Ok((socket, _)) = door.accept().await {
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let Ok(mut outside) = acceptor.accept(socket).await else { return };
                    count.fetch_add(1, Ordering::SeqCst);
                    let mut inside = tokio::net::TcpStream::connect(inside).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Door { port, certificate: signed.cert.pem(), shaken }
    }

    /// Tried once by a worker; what it says.
    async fn refuses(&self, environment: &[(&str, &str)]) -> String {
        let url = format!("rediss://:hush@localhost:{}", self.port);
        let config = config(&url, "mail", "http://127.0.0.1:9/");
        let ended = run(&config, &["run", "--fail-fast"], environment).await;
        assert_eq!(ended.code, Some(6), "{}", ended.output);
        assert!(!ended.output.contains("hush"), "{}", ended.output);
        assert_eq!(self.shaken.load(Ordering::SeqCst), 0, "it spoke to a server that it does not trust");
        ended.output
    }
}

fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_whose_certificate_nobody_vouches_for_is_refused_by_name_and_told_nothing() {
    let said = Door::to(nowhere(), "localhost").await.refuses(&[]).await;
    assert!(said.contains("UnknownIssuer") && said.contains("SSL_CERT_FILE"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_whose_certificate_is_that_of_another_host_is_refused() {
    let door = Door::to(nowhere(), "elsewhere.example").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &door.certificate).unwrap();
    let said = door.refuses(&[("SSL_CERT_FILE", file.path().to_str().unwrap())]).await;
    assert!(said.contains("localhost") && said.contains("not valid for name"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_whose_certificate_the_machine_trusts_is_worked() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let door = Door::to(([127, 0, 0, 1], redis.port()).into(), "localhost").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &door.certificate).unwrap();
    let trusted = [("SSL_CERT_FILE", file.path().to_str().unwrap())];
    let url = format!("rediss://localhost:{}", door.port);
    let mut worker =
        Program::start(&config(&url, "mail", &format!("{}/ok", backend.url)), &["run"], &trusted);
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })), "{}", worker.output());
    queue.close().await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.end().await.code, Some(0), "{}", worker.output());
}
