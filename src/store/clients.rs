//! Connections of a server, as `CLIENT LIST` tells.

use super::{Connection, StoreError};

/// A connection that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// Address of its other end, without the port.
    pub host: String,
    /// How long it has been there, seconds.
    pub age_s: u64,
    /// How long it has been silent, seconds.
    pub idle_s: u64,
}

/// All connections that have a name; `None` = this user may not ask.
pub async fn clients(connection: &Connection) -> Result<Option<Vec<Client>>, StoreError> {
    match connection.query::<String>(redis::cmd("CLIENT").arg("LIST")).await {
        Ok(list) => Ok(Some(list.lines().filter_map(read).collect())),
        Err(StoreError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(line: &str) -> Option<Client> {
    let field = |name: &str| line.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| field(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    let name = field("name").filter(|name| !name.is_empty())?;
    let address = field("addr").unwrap_or_default();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Some(Client {
        name: name.to_owned(),
        host: host.to_owned(),
        age_s: number("age"),
        idle_s: number("idle"),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_of_client_list_is_read_by_names() {
        let line =
            "id=3 addr=127.0.0.1:52555 laddr=127.0.0.1:6379 fd=8 name=bull:cQ== age=855 idle=2 flags=b";
        let client = super::read(line).expect("it has a name");
        assert_eq!((client.name.as_str(), client.host.as_str()), ("bull:cQ==", "127.0.0.1"));
        assert_eq!((client.age_s, client.idle_s), (855, 2));
        assert_eq!(super::read("id=3 addr=[::1]:5 name= age=1 idle=1"), None);
    }
}
