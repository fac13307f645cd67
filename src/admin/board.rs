//! Which queues there are and how they do: what all clients of the server see of a whole Redis.
//!
//! Owns: the search for queues, the last look at all of them, the stores that requests use. Nothing is looked at unless a
//! client asks, and then at most once a second, whoever asks: a hundred open dashboards cost Redis what one does. Must
//! never know: routes. Called by `routes`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::problem::Problem;
use super::server::Queues;
use crate::store::clients::{Client, clients};
use crate::store::discovery::Discovery;
use crate::store::overview::{Family, Glance, overview};
use crate::store::{Connection, Opened, Store, StoreError};
use crate::wire::Keys;

/// The last look at the queues is good for so long.
const FRESH: Duration = Duration::from_secs(1);
/// The last list of connections is good for so long: it is long, and says less.
const CLIENTS_FRESH: Duration = Duration::from_secs(5);
/// What was found out about whose queue it is, is believed for so long.
const OPENED_FRESH: Duration = Duration::from_secs(30);
/// Time that the first search for queues may take of the first request; small servers are looked through within it.
const FIRST_SEARCH_MAX: Duration = Duration::from_millis(500);
/// Time that it may take of each further one until it is through.
const FIRST_SEARCH_MORE: Duration = Duration::from_millis(30);
/// Steps of a further search with each look: keys of a large Redis are looked through in minutes, not in a burst.
const STEPS_PER_LOOK: usize = 2;
/// Queues that are shown.
pub(super) const QUEUES_MAX: usize = 1000;
/// Rates are those over about this time.
const RATE_WINDOW_MS: i64 = 10_000;
/// Looks that are kept for rates.
const LOOKS_MAX: usize = 16;

/// The Redis that is shown.
#[derive(Clone)]
pub struct BoardOptions {
    /// The server. The board opens a connection of its own.
    pub connection: Connection,
    /// Prefix of the queues' keys.
    pub prefix: String,
}

impl BoardOptions {
    /// The Redis of a queue, under its prefix.
    pub fn of(store: &Store) -> Self {
        Self { connection: store.connection().clone(), prefix: store.keys().prefix.to_string() }
    }
}

/// One Redis as the API sees it.
pub(crate) struct Board {
    connection: Connection,
    prefix: Arc<str>,
    /// Those of this process, on whatever server and prefix.
    configured: Queues,
    seen: tokio::sync::Mutex<Seen>,
    clients: tokio::sync::Mutex<Option<(Instant, ClientList)>>,
    opened: std::sync::Mutex<HashMap<String, (Instant, Store)>>,
    /// Those of the last look that are not configured, each with the dialect that its keys say.
    found: std::sync::Mutex<BTreeMap<Arc<str>, Store>>,
}

struct Seen {
    discovery: Discovery,
    searched: bool,
    names: BTreeSet<String>,
    audited: BTreeSet<String>,
    last: Option<(Instant, Arc<Look>)>,
    /// Oldest first.
    past: VecDeque<Past>,
}

/// An earlier look: its time, and for each queue jobs ever added and jobs to be done.
type Past = (i64, HashMap<Arc<str>, (u64, u64)>);

/// Connections that have names; `None` = this user may not ask.
pub(crate) type ClientList = Option<Arc<Vec<Client>>>;

/// All queues at one moment.
pub(crate) struct Look {
    /// Redis' time, ms.
    pub(crate) now_ms: i64,
    pub(crate) queues: BTreeMap<Arc<str>, Sight>,
    /// Queues that have an audit log, some of which may be gone.
    pub(crate) audited: BTreeSet<String>,
}

/// One of them.
pub(crate) struct Sight {
    pub(crate) glance: Glance,
    pub(crate) configured: bool,
    pub(crate) rate: Option<Rate>,
}

/// Jobs per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) added: f64,
    pub(crate) ended: f64,
}

impl Board {
    pub(crate) fn new(options: &BoardOptions, configured: Queues) -> Self {
        Self {
            connection: options.connection.again(),
            prefix: options.prefix.as_str().into(),
            configured,
            seen: tokio::sync::Mutex::new(Seen {
                discovery: Discovery::new(&options.prefix),
                searched: false,
                names: BTreeSet::new(),
                audited: BTreeSet::new(),
                last: None,
                past: VecDeque::new(),
            }),
            clients: tokio::sync::Mutex::default(),
            opened: std::sync::Mutex::default(),
            found: std::sync::Mutex::default(),
        }
    }

    /// The connection of all its reads.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// All queues that are known of by now: those of this process, and those of the last look.
    pub(super) fn stores(&self) -> Vec<Store> {
        let own = self.configured.all().into_iter().map(|queue| queue.store);
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        own.chain(found.values().cloned()).collect()
    }

    /// One of those of the last look.
    pub(super) fn found(&self, name: &str) -> Option<Store> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Looks for queues and at those that are new, and at no others: what following events costs while nobody asks for
    /// more.
    pub(super) async fn discover(&self) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        self.search(&mut seen).await?;
        let new: Vec<Keys> = {
            let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new =
                |name: &&String| !found.contains_key(name.as_str()) && self.configured.get(name).is_none();
            seen.names
                .iter()
                .filter(is_new)
                .take(QUEUES_MAX)
                .map(|name| Keys::new(&self.prefix, name))
                .collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        let (_, glances) = overview(&self.connection, &new).await?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for (keys, glance) in new.into_iter().zip(glances).filter(|(_, glance)| glance.exists) {
            let Family::Of(dialect) = glance.family else { continue };
            let name = Arc::clone(&keys.queue);
            found.insert(name, Store::of(self.connection.clone(), keys, Some(dialect)));
        }
        Ok(())
    }

    /// All queues, as they were at most a second ago.
    pub(crate) async fn look(&self) -> Result<Arc<Look>, StoreError> {
        let mut seen = self.seen.lock().await;
        if let Some((at, look)) = &seen.last
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(look));
        }
        self.search(&mut seen).await?;
        let look = Arc::new(self.glance(&mut seen).await?);
        seen.last = Some((Instant::now(), Arc::clone(&look)));
        Ok(look)
    }

    /// The same after a search to its end: for those who look once.
    pub(crate) async fn look_through(&self) -> Result<Arc<Look>, StoreError> {
        {
            let mut seen = self.seen.lock().await;
            while !seen.searched {
                self.search(&mut seen).await?;
            }
        }
        self.look().await
    }

    /// Goes on looking for queues: all of it at first, then little by little.
    async fn search(&self, seen: &mut Seen) -> Result<(), StoreError> {
        let (started, mut steps) = (Instant::now(), 0);
        let limit = if seen.last.is_none() { FIRST_SEARCH_MAX } else { FIRST_SEARCH_MORE };
        loop {
            if let Some(all) = seen.discovery.step(&self.connection).await? {
                seen.names = all.queues;
                seen.audited = all.audited;
                seen.searched = true;
                break;
            }
            steps += 1;
            let enough = if seen.searched { steps >= STEPS_PER_LOOK } else { started.elapsed() >= limit };
            if enough {
                let so_far = seen.discovery.so_far();
                seen.names.extend(so_far.queues.iter().cloned());
                seen.audited.extend(so_far.audited.iter().cloned());
                break;
            }
        }
        Ok(())
    }

    async fn glance(&self, seen: &mut Seen) -> Result<Look, StoreError> {
        let configured: HashMap<Arc<str>, Store> = self
            .configured
            .all()
            .into_iter()
            .map(|queue| (Arc::clone(&queue.store.keys().queue), queue.store))
            .collect();
        // Queues of this process may be on another server or under another prefix than the rest.
        let mut own = configured.values().map(|store| store.keys().clone()).collect::<Vec<_>>();
        let others = seen.names.iter().filter(|name| !configured.contains_key(name.as_str()));
        own.extend(others.take(QUEUES_MAX).map(|name| Keys::new(&self.prefix, name)));
        let (now_ms, glances) = overview(&self.connection, &own).await?;
        let mut queues = BTreeMap::new();
        for (keys, glance) in own.iter().zip(glances) {
            let configured = configured.contains_key(&keys.queue);
            if glance.exists || configured {
                queues.insert(Arc::clone(&keys.queue), Sight { glance, configured, rate: None });
            } else {
                // Keys that only looked like a queue's, or one that is gone.
                seen.names.remove(&*keys.queue);
            }
        }
        remember(&mut seen.past, now_ms, &mut queues);
        self.note(&queues);
        Ok(Look { now_ms, queues, audited: seen.audited.clone() })
    }

    fn note(&self, queues: &BTreeMap<Arc<str>, Sight>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|name, _| queues.contains_key(name));
        for (name, sight) in queues.iter().filter(|(_, sight)| !sight.configured) {
            let Family::Of(dialect) = sight.glance.family else { continue };
            if found.get(name).is_none_or(|store| store.dialect() != dialect) {
                let keys = Keys::new(&self.prefix, name);
                found.insert(Arc::clone(name), Store::of(self.connection.clone(), keys, Some(dialect)));
            }
        }
    }

    /// Connections that have names, as they were at most five seconds ago.
    pub(crate) async fn clients(&self) -> Result<ClientList, StoreError> {
        let mut last = self.clients.lock().await;
        if let Some((at, list)) = &*last
            && at.elapsed() < CLIENTS_FRESH
        {
            return Ok(list.clone());
        }
        let found = clients(&self.connection).await?.map(Arc::new);
        *last = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// A queue that exists, or that this process works.
    pub(super) async fn open(&self, name: &str) -> Result<Store, Problem> {
        if let Some(store) = self.known(name) {
            return Ok(store);
        }
        let configured = self.configured.get(name).map(|queue| queue.store);
        let is_configured = configured.is_some();
        let store = configured.unwrap_or_else(|| self.store(name, None));
        match store.look().await? {
            Opened::Ready(_, layout) if layout.exists || is_configured => {}
            Opened::Undecided if is_configured => return Ok(store),
            Opened::Ready(..) | Opened::Undecided => return Err(no_queue()),
            refused => {
                let why = refused.refusal().map(|why| why.to_string()).unwrap_or_default();
                return Err(Problem::conflict(format!("this queue is refused: {why}")).with("queue", name));
            }
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|_, (at, _)| at.elapsed() < OPENED_FRESH);
        opened.insert(name.to_owned(), (Instant::now(), store.clone()));
        Ok(store)
    }

    /// A queue by its name, of a dialect that somebody named, whether or not it exists.
    pub(super) fn store(&self, name: &str, dialect: Option<crate::wire::Dialect>) -> Store {
        match self.configured.get(name) {
            Some(queue) => queue.store,
            None => Store::of(self.connection.clone(), Keys::new(&self.prefix, name), dialect),
        }
    }

    fn known(&self, name: &str) -> Option<Store> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(name).filter(|(at, _)| at.elapsed() < OPENED_FRESH).map(|(_, store)| store.clone())
    }

    /// Forgets what it knew of a queue that is gone.
    pub(super) fn forget(&self, name: &str) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Its name is not said again: it is whatever somebody wrote into an address.
pub(super) fn no_queue() -> Problem {
    Problem::not_found("there is no queue of that name")
}

/// Keeps a look, and gives each queue its rates since an earlier one. What leaves the jobs to be done has ended or was removed.
fn remember(past: &mut VecDeque<Past>, now_ms: i64, queues: &mut BTreeMap<Arc<str>, Sight>) {
    let pending = |glance: &Glance| {
        let counts = &glance.counts;
        counts.in_line() + counts.active + counts.delayed + counts.waiting_children.unwrap_or(0)
    };
    // Nobody has looked for a while: what came and went meanwhile is no rate of now.
    while past.front().is_some_and(|(at, _)| now_ms - at > 2 * RATE_WINDOW_MS) || past.len() >= LOOKS_MAX {
        past.pop_front();
    }
    while past.len() > 1 && past.get(1).is_some_and(|(at, _)| now_ms - at >= RATE_WINDOW_MS) {
        past.pop_front();
    }
    if let Some((at, before)) = past.front()
        && now_ms > *at
    {
        let seconds = (now_ms - at) as f64 / 1000.0;
        for (name, sight) in queues.iter_mut() {
            let Some((added, open)) = before.get(name) else { continue };
            let came = sight.glance.added.saturating_sub(*added);
            let went = (came + open).saturating_sub(pending(&sight.glance));
            let rounded = |n: u64| (n as f64 / seconds * 100.0).round() / 100.0;
            sight.rate = Some(Rate { added: rounded(came), ended: rounded(went) });
        }
    }
    let figures =
        |(name, sight): (&Arc<str>, &Sight)| (Arc::clone(name), (sight.glance.added, pending(&sight.glance)));
    past.push_back((now_ms, queues.iter().map(figures).collect()));
}
