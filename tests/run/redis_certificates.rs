//! A Redis behind TLS that asks who we are (`tls-auth-clients yes`), and the certificates of `redis.tls`.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use tempfile::TempDir;

use crate::backend::Backend;
use crate::program::{Program, config, run};
use crate::support::node::BullQueue;
use crate::support::process::free_port;
use crate::support::redis::Redis;

/// A CA, and what it signs, as files.
struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let (dir, key) = (tempfile::tempdir().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { dir, issuer: Issuer::new(params, key) }
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Certificate and key of a name; in force up to a year.
    fn sign(&self, name: &str, until: i32) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // Without a name of its own it would look as if it had signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str, text: String| {
            let path = self.dir.path().join(format!("{name} {until}.{kind}"));
            std::fs::write(&path, text).unwrap();
            path
        };
        (file("pem", certificate.pem()), file("key", key.serialize_pem()))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_asks_for_certificates_takes_the_right_one_and_each_wrong_one_has_its_line() {
    let (good, other, port) = (Authority::new(), Authority::new(), free_port().to_string());
    let (server, server_key) = good.sign("localhost", 2200);
    let redis = Redis::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        text(&server),
        "--tls-key-file",
        text(&server_key),
        "--tls-ca-cert-file",
        text(&good.ca()),
        "--tls-auth-clients",
        "yes",
    ]);
    let backend = Backend::start().await;
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    let before = redis.dump().await;
    let config = config(&format!("rediss://localhost:{port}"), "mail", &format!("{}/ok", backend.url));

    let (ca, (cert, key)) = (good.ca(), good.sign("bullock", 2200));
    let (stranger, stranger_key) = other.sign("bullock", 2200);
    let (expired, expired_key) = good.sign("bullock", 2001);
    let none: Option<(&Path, &Path)> = None;
    for (ca, shown, code, said) in [
        (ca.clone(), none, 6, "the server wants a certificate of ours"),
        (ca.clone(), Some((stranger.as_path(), stranger_key.as_path())), 6, "does not take our certificate"),
        (ca.clone(), Some((expired.as_path(), expired_key.as_path())), 6, "does not take our certificate"),
        (other.ca(), Some((cert.as_path(), key.as_path())), 6, "redis.tls.ca"),
        (good.dir.path().join("none.pem"), None, 2, "cannot be read"),
        (key.clone(), Some((cert.as_path(), ca.as_path())), 2, "certificate or key"),
    ] {
        let mut environment = vec![("BULLOCK_REDIS__TLS__CA", text(&ca))];
        if let Some((cert, key)) = shown {
            environment
                .extend([("BULLOCK_REDIS__TLS__CERT", text(cert)), ("BULLOCK_REDIS__TLS__KEY", text(key))]);
        }
        let ended = run(&config, &["run", "--fail-fast"], &environment).await;
        let errors: Vec<&str> = ended.output.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!((ended.code, errors.len()), (Some(code), 1), "{said}: {}", ended.output);
        assert!(errors[0].contains(said), "{said}: {}", ended.output);
        assert_eq!(redis.dump().await, before, "{said}");
    }

    let right = [
        ("BULLOCK_REDIS__TLS__CA", text(&ca)),
        ("BULLOCK_REDIS__TLS__CERT", text(&cert)),
        ("BULLOCK_REDIS__TLS__KEY", text(&key)),
    ];
    let mut worker = Program::start(&config, &["run"], &right);
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })), "{}", worker.output());
    queue.close().await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.end().await.code, Some(0), "{}", worker.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_without_its_key_and_a_url_without_tls_are_told_before_anything_connects() {
    for (url, environment, said) in [
        ("rediss://localhost:1", ("BULLOCK_REDIS__TLS__CERT", "/c.pem"), "redis.tls.cert stands alone"),
        ("redis://localhost:1", ("BULLOCK_REDIS__TLS__CA", "/ca.pem"), "own certificates for Redis need"),
    ] {
        let config = config(url, "mail", "http://127.0.0.1:9/");
        let ended = run(&config, &["run", "--fail-fast"], &[environment]).await;
        assert_eq!(ended.code, Some(2), "{}", ended.output);
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
}
