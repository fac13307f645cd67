//! Backends that speak TLS, with a certificate that the machine trusts or not.

use std::sync::Arc;

use bullock::handler::http::HttpOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::support::{DEADLINE, Server, call, failure, raw, result};

/// A backend with a certificate for `localhost` that it signed itself, and that certificate as PEM.
async fn secure() -> (Server, String) {
    bullock::http::client::install_crypto();
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let config = ServerConfig::builder().with_no_client_auth();
    let acceptor =
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![signed.cert.der().clone()], key).unwrap()));
    let server = raw(move |socket| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut socket) = acceptor.accept(socket).await else { return };
            let mut request = vec![0; 64 * 1024];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\"secure\"").await;
            let _ = socket.shutdown().await;
        }
    })
    .await;
    (server, signed.cert.pem())
}

fn options(server: &Server) -> HttpOptions {
    HttpOptions::new(format!("https://localhost:{}/", server.address.port()))
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_a_retryable_failure() {
    let (server, _) = secure().await;
    let told = failure(call(options(&server)).await);
    assert!(told.retryable);
    assert!(
        told.message.contains("cannot connect: invalid peer certificate: UnknownIssuer"),
        "{}",
        told.message
    );
}

#[tokio::test]
async fn certificates_that_the_machine_trusts_are_trusted() {
    // Read by a child of our own, because the environment of this process belongs to all tests.
    if let Ok(port) = std::env::var("TEST_TLS_PORT") {
        let told = call(HttpOptions::new(format!("https://localhost:{port}/"))).await;
        assert_eq!(result(told), "secure");
        return;
    }
    let (server, pem) = secure().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::certificates_that_the_machine_trusts_are_trusted"])
        .env("SSL_CERT_FILE", &file)
        .env("TEST_TLS_PORT", server.address.port().to_string())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, child).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
