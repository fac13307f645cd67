//! What jobs are done by: the sample, and the lines of the config that call it.

use std::path::Path;

use serde_json::Value;

/// A kind of backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nest,
    Next,
    Express,
    Subprocess,
}

impl Kind {
    /// The one that a package.json names.
    pub(super) fn of_package(directory: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(directory.join("package.json")).ok()?;
        let package: Value = serde_json::from_str(&text).ok()?;
        let needs = |name: &str| package.get("dependencies").is_some_and(|all| all.get(name).is_some());
        // Nest stands on Express.
        let known = [("@nestjs/core", Self::Nest), ("next", Self::Next), ("express", Self::Express)];
        known.into_iter().find(|(name, _)| needs(name)).map(|(_, kind)| kind)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Nest => "nest",
            Self::Next => "next",
            Self::Express => "express",
            Self::Subprocess => "subprocess",
        }
    }

    /// The sample: its path in the directory, and its text.
    pub(super) fn sample(self, directory: &Path) -> (String, &'static str) {
        let (path, text) = match self {
            Self::Nest => ("src/jobs.controller.ts", include_str!("../../../config/init/jobs.controller.ts")),
            Self::Next if directory.join("src/app").is_dir() => {
                ("src/app/api/jobs/[name]/route.js", include_str!("../../../config/init/route.js"))
            }
            Self::Next => ("app/api/jobs/[name]/route.js", include_str!("../../../config/init/route.js")),
            Self::Express => ("jobs.mjs", include_str!("../../../config/init/jobs.mjs")),
            Self::Subprocess => ("job.mjs", include_str!("../../../config/init/job.mjs")),
        };
        (path.to_owned(), text)
    }

    /// The tables of a queue whose name is written as `queue`.
    pub(super) fn tables(self, queue: &str) -> String {
        let handler = match self {
            Self::Subprocess => {
                "# Jobs of any name; a table of its own name comes before it.\nexec = [\"node\", \"job.mjs\"]\n\
                 # What of this environment the program may see.\nenv = [\"PATH\", \"HOME\"]\n"
                    .to_owned()
            }
            Self::Next => http("/api/jobs/{{name}}"),
            Self::Nest | Self::Express => http("/jobs/{{name}}"),
        };
        format!(
            "\n[queues.{queue}]\n# Jobs that run at once in this process. Bull and BullMQ are told apart by the keys in Redis.\n\
             concurrency = 10\n\n[queues.{queue}.handlers.\"*\"]\n{handler}"
        )
    }

    /// What to type next.
    pub(super) fn next_steps(self, secret: &str) -> String {
        let backend = match self {
            Self::Subprocess => {
                return "\nnext:\n  bullock check\n  bullock run\n  bullock job add emails welcome --data '{\"to\":\"ada@example.com\"}' --wait"
                    .to_owned();
            }
            Self::Nest => "add JobsController to a module; NestFactory.create(AppModule, { rawBody: true })",
            Self::Next => "start your app as always",
            Self::Express => "node jobs.mjs, or in your app: app.use('/jobs', jobs)",
        };
        format!(
            "\nnext:\n  npm install standardwebhooks\n  export WEBHOOK_SECRET={secret}   # your app and bullock both need it\n  \
             {backend}\n  bullock check\n  bullock run"
        )
    }
}

fn http(path: &str) -> String {
    format!(
        "# Jobs of any name; a table of its own name comes before it.\nhttp = \"http://127.0.0.1:3000{path}\"\n\
         # Requests are signed with it, so that your route knows who calls.\nsecret = \"${{WEBHOOK_SECRET}}\"\n\
         # A silent streamed answer is given up after this time; an answer that just takes long is not.\nheartbeat = \"60s\"\n"
    )
}
