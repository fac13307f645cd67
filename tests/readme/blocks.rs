//! The fenced blocks of a Markdown page.

use std::path::{Path, PathBuf};

/// A fenced block with a language tag.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Its tag: `console`, `toml`, `js`, …
    pub(crate) language: String,
    /// Line of its first fence, for messages.
    pub(crate) line: usize,
    /// What stands between the fences, with a newline at the end.
    pub(crate) text: String,
}

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A page as text.
pub(crate) fn page(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The blocks of a page, in their order. A block without a tag is a picture and needs nobody to run it.
pub(crate) fn of(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(tag), None) => {
                open = Some(Block { language: tag.trim().into(), line: index + 1, text: String::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks.retain(|block| !block.language.is_empty());
    blocks
}

impl Block {
    /// The file that the block is, by its first line: `// backend.mjs`, `# bullock.toml`.
    pub(crate) fn file_name(&self) -> Option<&str> {
        let first = self.text.lines().next()?;
        let name = first.strip_prefix("// ").or_else(|| first.strip_prefix("# "))?;
        let plain = Path::new(name).extension().is_some() && !name.contains([' ', '/']);
        plain.then_some(name)
    }

    /// A console block as its commands, each with the output that the page shows for it.
    pub(crate) fn commands(&self) -> Vec<(String, Vec<String>)> {
        let mut commands: Vec<(String, Vec<String>)> = Vec::new();
        for line in self.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                commands.push((command.to_owned(), Vec::new()));
            } else if let Some((_, output)) = commands.last_mut() {
                output.push(line.to_owned());
            } else {
                panic!("line {}: a console block begins with `$ `", self.line);
            }
        }
        commands
    }
}

/// Does a line of output look as the page shows it? Runs of space are one, and `…` stands for any text.
pub(crate) fn alike(shown: &str, printed: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (shown, printed) = (plain(shown), plain(printed));
    let mut rest = printed.as_str();
    let mut parts = shown.split('…');
    let Some(tail) = parts.next().and_then(|head| rest.strip_prefix(head)) else { return false };
    rest = tail;
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
