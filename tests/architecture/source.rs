//! Just enough Rust to see which paths a file names: a small lexer, `use` trees, `super`.

/// One source file, read for its names.
pub(crate) struct SourceFile {
    /// Relative to the repository.
    pub(crate) path: String,
    /// The first part below `src`: `job`, `store`, … or `main`, `lib`.
    pub(crate) room: String,
    /// Every path in it with at least one `::`, and every import.
    pub(crate) paths: Vec<NamedPath>,
    /// `mod` declarations, with their lines.
    pub(crate) modules: Vec<(String, usize)>,
}

/// A path as the compiler would see it, its beginning resolved.
pub(crate) struct NamedPath {
    pub(crate) line: usize,
    root: Root,
    segments: Vec<String>,
}

#[derive(Clone, PartialEq)]
enum Root {
    /// From the top of our own crate.
    Crate,
    /// From a crate, by a leading `::`.
    Extern,
    /// From a crate, or from something in scope: the first segment tells.
    Named,
    /// Below the module itself.
    Own,
}

impl NamedPath {
    /// The room that it leads into.
    pub(crate) fn room(&self) -> Option<&str> {
        match self.root {
            Root::Crate => self.segments.first().map(String::as_str),
            Root::Extern | Root::Named | Root::Own => None,
        }
    }

    /// The first segment, if the path starts with a plain name.
    pub(crate) fn external(&self) -> Option<&str> {
        match self.root {
            Root::Extern | Root::Named => self.segments.first().map(String::as_str),
            Root::Crate | Root::Own => None,
        }
    }

    pub(crate) fn text(&self) -> String {
        let start = if self.root == Root::Crate { "crate::" } else { "" };
        format!("{start}{}", self.segments.join("::"))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    PathSeparator,
    Other(char),
}

type Tokens = Vec<(Token, usize)>;

impl SourceFile {
    pub(crate) fn parse(path: &str, text: &str) -> SourceFile {
        let mut inside: Vec<String> =
            path.trim_start_matches("src/").trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        let room = inside[0].clone();
        if matches!(inside.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            inside.pop();
        }
        let mut reader = Reader {
            tokens: lex(text),
            at: 0,
            module: inside,
            blocks: Vec::new(),
            paths: Vec::new(),
            modules: Vec::new(),
        };
        reader.read();
        // `redis::X` in a file with `mod redis;` means that module and not the crate, which would be `::redis::X`.
        let is_module = |name: &String| reader.modules.iter().any(|(module, _)| module == name);
        for path in &mut reader.paths {
            if path.root == Root::Named && path.segments.first().is_some_and(is_module) {
                path.root = Root::Own;
            }
        }
        SourceFile { path: path.to_owned(), room, paths: reader.paths, modules: reader.modules }
    }
}

struct Reader {
    tokens: Tokens,
    at: usize,
    /// The module that the reader stands in.
    module: Vec<String>,
    /// Open braces; true where one opened a module.
    blocks: Vec<bool>,
    paths: Vec<NamedPath>,
    modules: Vec<(String, usize)>,
}

impl Reader {
    fn read(&mut self) {
        while let Some((token, line)) = self.tokens.get(self.at).cloned() {
            match token {
                Token::Word(word) if word == "use" => {
                    self.at += 1;
                    let start = if self.separator() { Root::Extern } else { Root::Named };
                    self.use_tree(&start, Vec::new());
                }
                Token::Word(word) if word == "mod" => self.module(line),
                Token::Word(_) | Token::PathSeparator => self.expression_path(),
                Token::Other(sign) => {
                    match sign {
                        '{' => self.blocks.push(false),
                        '}' if self.blocks.pop() == Some(true) => {
                            self.module.pop();
                        }
                        _ => {}
                    }
                    self.at += 1;
                }
            }
        }
    }

    fn module(&mut self, line: usize) {
        self.at += 1;
        let Some(name) = self.word() else { return };
        self.modules.push((name.clone(), line));
        if self.sign('{') {
            self.blocks.push(true);
            self.module.push(name);
        }
    }

    /// `a::b::c` outside of an import.
    fn expression_path(&mut self) {
        let line = self.tokens[self.at].1;
        let mut segments = Vec::new();
        let start = if self.separator() { Root::Extern } else { Root::Named };
        while let Some(word) = self.word() {
            segments.push(word);
            if !self.separator() {
                break;
            }
        }
        if segments.len() > 1 {
            self.add(start, segments, line);
        }
    }

    /// What follows `use`, `use a::` or a comma in braces.
    fn use_tree(&mut self, start: &Root, mut prefix: Vec<String>) {
        let line = self.tokens.get(self.at).map_or(0, |(_, line)| *line);
        loop {
            if let Some(word) = self.word() {
                prefix.push(word);
                if self.separator() {
                    continue;
                }
                self.alias();
                self.add(start.clone(), prefix, line);
            } else if self.sign('{') {
                while !self.sign('}') && self.at < self.tokens.len() {
                    self.use_tree(start, prefix.clone());
                    self.sign(',');
                }
            } else {
                // `*`, or something that is no path: what led here counts.
                self.at += 1;
                self.add(start.clone(), prefix, line);
            }
            return;
        }
    }

    fn alias(&mut self) {
        if self.tokens.get(self.at).is_some_and(|(token, _)| *token == Token::Word("as".to_owned())) {
            self.at += 2;
        }
    }

    fn add(&mut self, start: Root, mut segments: Vec<String>, line: usize) {
        let mut root = start;
        let mut module = self.module.clone();
        while let Some(first) = segments.first() {
            match first.as_str() {
                // The binary names the library by the package's name.
                "crate" | "bullock" => root = Root::Crate,
                "self" => root = Root::Own,
                "super" => {
                    module.pop();
                    root = if module.is_empty() { Root::Crate } else { Root::Own };
                }
                _ => break,
            }
            segments.remove(0);
        }
        if !segments.is_empty() {
            self.paths.push(NamedPath { line, root, segments });
        }
    }

    fn word(&mut self) -> Option<String> {
        let Some((Token::Word(word), _)) = self.tokens.get(self.at) else { return None };
        let word = word.clone();
        self.at += 1;
        Some(word)
    }

    fn separator(&mut self) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((Token::PathSeparator, _)));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((Token::Other(other), _)) if *other == sign);
        self.at += usize::from(found);
        found
    }
}

/// Words, `::` and single signs, without comments, strings, characters and lifetimes.
fn lex(text: &str) -> Tokens {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        match chars[at] {
            '/' if next == '/' => at = find(&chars, at, "\n"),
            '/' if next == '*' => at = end_of_block_comment(&chars, at),
            '"' => at = end_of_string(&chars, at),
            '\'' => at = end_of_character_or_lifetime(&chars, at),
            ':' if next == ':' => {
                tokens.push((Token::PathSeparator, line));
                at += 2;
            }
            one if one.is_alphanumeric() || one == '_' => {
                while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                match raw_string_hashes(&word, &chars, at) {
                    Some(hashes) => {
                        let end = format!("\"{}", "#".repeat(hashes));
                        at = find(&chars, at + hashes + 1, &end) + hashes + 1;
                    }
                    None => tokens.push((Token::Word(word), line)),
                }
            }
            sign => {
                if !sign.is_whitespace() {
                    tokens.push((Token::Other(sign), line));
                }
                at += 1;
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|one| **one == '\n').count();
    }
    tokens
}

/// Where `what` begins, at or after `from`; the end if nowhere.
fn find(chars: &[char], from: usize, what: &str) -> usize {
    let what: Vec<char> = what.chars().collect();
    (from..chars.len()).find(|at| chars[*at..].starts_with(&what)).unwrap_or(chars.len())
}

/// `r"…"`, `br#"…"#`: the number of hashes, if a raw string begins after this word.
fn raw_string_hashes(word: &str, chars: &[char], after: usize) -> Option<usize> {
    if !matches!(word, "r" | "br" | "cr") {
        return None;
    }
    let hashes = chars[after.min(chars.len())..].iter().take_while(|one| **one == '#').count();
    (chars.get(after + hashes) == Some(&'"')).then_some(hashes)
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_character_or_lifetime(chars: &[char], start: usize) -> usize {
    match (chars.get(start + 1), chars.get(start + 2)) {
        (Some('\\'), _) => find(chars, start + 3, "'") + 1,
        (Some(_), Some('\'')) => start + 3,
        // A lifetime: its name is no path, but reading it as a word does no harm.
        _ => start + 1,
    }
}
