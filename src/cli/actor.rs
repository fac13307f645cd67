//! Who acts, when a person acts by a command: the audit log names the user, the machine and the reason.

use clap::Args;

use crate::store::actor::Actor;

/// The reason for an act, as every command that changes something for good takes it.
#[derive(Debug, Clone, Default, Args)]
pub struct Reason {
    /// Why; kept in the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// An act that can be tried first.
#[derive(Debug, Clone, Default, Args)]
pub struct Trial {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
}

/// An act that can be tried first, and is confirmed.
#[derive(Debug, Clone, Default, Args)]
pub struct Careful {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
}

impl Reason {
    /// Is there none, or nothing in it?
    pub fn is_blank(&self) -> bool {
        self.reason.as_deref().is_none_or(|why| why.trim().is_empty())
    }

    /// The user of this shell, on this machine.
    pub fn actor(&self) -> Actor {
        let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
        Actor {
            by: user.filter(|user| !user.is_empty()).unwrap_or_else(|| "unknown".into()),
            from: format!("cli@{}", host.unwrap_or_else(|| "unknown".into())),
            why: self.reason.clone().unwrap_or_default(),
        }
    }
}
