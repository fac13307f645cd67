//! `bullock check --live`: does the worker of this config answer? An image without a shell has nothing else to ask with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::error::{CliError, Exit};
use crate::cli::output::Output;
use crate::config::Config;

/// Longest wait for the whole answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// The line of a good answer and some headers; the rest is of no interest.
const READ_MAX: usize = 4096;

/// Asks for `/livez`.
pub(super) async fn ask(out: &Output, config: &Config) -> Result<(), CliError> {
    let Some(admin) = &config.admin else {
        return Err(CliError::usage("there is no admin server to ask")
            .at("admin.listen")
            .expected("an address"));
    };
    let address = reachable(admin.listen);
    let path = format!("{}livez", admin.base_path);
    let dead = |why: String| {
        CliError::new(Exit::Unreachable, "no worker answers").at(format!("http://{address}{path}")).found(why)
    };
    let answer = tokio::time::timeout(ANSWER_MAX, status_line(address, &path)).await;
    let line = answer
        .map_err(|_| dead(format!("nothing within {} s", ANSWER_MAX.as_secs())))?
        .map_err(|error| dead(error.to_string()))?;
    if line.split(' ').nth(1) != Some("200") {
        return Err(dead(line));
    }
    Ok(out.answer("alive", "alive", &serde_json::json!({"alive": true}))?)
}

/// Where a server that listens on every address can be asked.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn status_line(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 512]);
    while !answer.contains(&b'\n') && answer.len() < READ_MAX {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or("an empty answer").to_owned())
}
