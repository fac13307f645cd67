//! A Redis behind TLS whose certificate nobody vouches for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::program::{config, run};

/// Its port, and how many handshakes were brought to their end.
async fn signed_by_itself() -> (u16, Arc<AtomicUsize>) {
    bullock::http::client::install_crypto();
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![signed.cert.der().clone()], key).unwrap();
    let (acceptor, shaken) = (TlsAcceptor::from(Arc::new(config)), Arc::new(AtomicUsize::new(0)));
    let door = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, count) = (door.local_addr().unwrap().port(), Arc::clone(&shaken));
    tokio::spawn(async move {
        while let Ok((socket, _)) = door.accept().await {
            if acceptor.accept(socket).await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (port, shaken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_whose_certificate_nobody_vouches_for_is_refused_by_name_and_told_nothing() {
    let (port, shaken) = signed_by_itself().await;
    let url = format!("rediss://:hush@localhost:{port}");
    let ended = run(&config(&url, "mail", "http://127.0.0.1:9/"), &["run", "--fail-fast"], &[]).await;
    assert_eq!(ended.code, Some(6), "{}", ended.output);
    assert!(ended.output.contains("UnknownIssuer"), "{}", ended.output);
    assert!(!ended.output.contains("hush"), "{}", ended.output);
    assert_eq!(shaken.load(Ordering::SeqCst), 0, "it spoke to a server that it does not trust");
}
