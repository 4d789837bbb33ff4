//! What a source file reaches for: a small reader of Rust's tokens, enough for paths, words and derives.

/// Something in a source file that a rule may be about.
pub struct Reach {
    /// Counted from 1.
    pub line: usize,
    pub what: What,
}

pub enum What {
    /// A path resolved from the crate's root.
    Path(Vec<String>),
    /// The name of an outside crate before `::`, in `use`, or the word `unsafe`.
    Word(String),
    /// `use crate as …` or `extern crate self`.
    Alias,
    /// A struct named `…View` that derives Serialize.
    SerializedView(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Sign(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text == word)
    }
}

/// Everything that the file of `module` reaches for, outside of `#[cfg(test)]` modules.
pub fn read(text: &str, module: &[String]) -> Vec<Reach> {
    Reader {
        tokens: tokenize(text),
        module: module.to_vec(),
        found: Vec::new(),
    }
    .run()
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    /// Where we are; inline modules are pushed and popped.
    module: Vec<String>,
    found: Vec<Reach>,
}

impl Reader {
    fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|(_, token)| token)
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        self.token(at).is_some_and(|token| token.is(word))
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.token(at) == Some(&Token::Sign(sign))
    }

    fn run(mut self) -> Vec<Reach> {
        let mut depth = 0usize;
        let mut inline: Vec<usize> = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let (line, token) = self.tokens[at].clone();
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => {
                    depth = depth.saturating_sub(1);
                    if inline.last() == Some(&depth) {
                        inline.pop();
                        self.module.pop();
                    }
                }
                Token::Word(word) if word == "mod" && self.is_sign(at + 2, '{') => {
                    if self.follows_cfg_test(at) {
                        at = self.after_block(at + 2);
                        continue;
                    }
                    if let Some(Token::Word(name)) = self.token(at + 1).cloned() {
                        inline.push(depth);
                        self.module.push(name);
                    }
                    depth += 1;
                    at += 3;
                    continue;
                }
                Token::Word(word) if word == "derive" => self.derive(line, at),
                Token::Word(word) => self.word(line, at, &word),
                Token::Path | Token::Sign(_) => {}
            }
            at += 1;
        }
        self.found
    }

    fn word(&mut self, line: usize, at: usize, word: &str) {
        let after_path = at > 0 && self.token(at - 1) == Some(&Token::Path);
        let before_path = self.token(at + 1) == Some(&Token::Path);
        let in_use = at > 0 && self.is_word(at - 1, "use");
        if word == "unsafe" || word == "unsafe_code" {
            self.push(line, What::Word(word.to_owned()));
        } else if word == "crate" && (self.is_word(at + 1, "as") || at > 0 && self.is_word(at - 1, "extern"))
        {
            self.push(line, What::Alias);
        } else if after_path {
            // in the middle of a path, read from its start
        } else if ["crate", "pinion", "super", "self"].contains(&word) && (before_path || in_use) {
            let visibility = at >= 2 && self.is_word(at - 1, "in") && self.is_sign(at - 2, '(');
            if !visibility {
                let mut paths = Vec::new();
                self.tree(at, Vec::new(), &mut paths);
                for path in paths {
                    let what = self.resolve(&path);
                    self.push(line, What::Path(what));
                }
            }
        } else if before_path || in_use {
            self.push(line, What::Word(word.to_owned()));
        }
    }

    fn push(&mut self, line: usize, what: What) {
        self.found.push(Reach { line, what });
    }

    /// Reads a path, and all paths of a grouped import, from `at`; answers the position behind it.
    fn tree(&self, mut at: usize, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
        loop {
            match self.token(at) {
                Some(Token::Word(word)) => path.push(word.clone()),
                Some(Token::Sign('*')) => path.push("*".to_owned()),
                Some(Token::Sign('{')) => {
                    at += 1;
                    while at < self.tokens.len() && !self.is_sign(at, '}') {
                        if self.is_sign(at, ',') {
                            at += 1;
                            continue;
                        }
                        let next = self.tree(at, path.clone(), paths);
                        at = next.max(at + 1);
                    }
                    return at + 1;
                }
                _ => {
                    paths.push(path);
                    return at;
                }
            }
            at += 1;
            if self.is_word(at, "as") {
                paths.push(path);
                return at + 2;
            }
            if self.token(at) != Some(&Token::Path) {
                paths.push(path);
                return at;
            }
            at += 1;
        }
    }

    /// From the crate's root: `super` and `self` taken away.
    fn resolve(&self, path: &[String]) -> Vec<String> {
        let mut resolved = Vec::new();
        for (position, part) in path.iter().enumerate() {
            match part.as_str() {
                "crate" | "pinion" if position == 0 => resolved.clear(),
                "self" if position == 0 => resolved.clone_from(&self.module),
                "super" if position == 0 => {
                    resolved.clone_from(&self.module);
                    resolved.pop();
                }
                "super" => {
                    resolved.pop();
                }
                "self" => {}
                _ => resolved.push(part.clone()),
            }
        }
        resolved
    }

    /// The tokens before `mod` say `#[cfg(test)]`, perhaps with `pub` between.
    fn follows_cfg_test(&self, at: usize) -> bool {
        let from = at.saturating_sub(12);
        let before = &self.tokens[from..at];
        let close = before
            .iter()
            .rposition(|(_, token)| matches!(token, Token::Sign(';' | '}')));
        let near = &before[close.map_or(0, |position| position + 1)..];
        near.windows(3)
            .any(|three| three[0].1.is("cfg") && three[1].1 == Token::Sign('(') && three[2].1.is("test"))
    }

    /// The position behind the block that opens at `at`.
    fn after_block(&self, mut at: usize) -> usize {
        let mut depth = 0usize;
        while at < self.tokens.len() {
            if self.is_sign(at, '{') {
                depth += 1;
            } else if self.is_sign(at, '}') {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            at += 1;
        }
        at
    }

    /// A derive with Serialize on a struct whose name ends in View.
    fn derive(&mut self, line: usize, at: usize) {
        let close = (at..self.tokens.len()).find(|position| self.is_sign(*position, ']'));
        let Some(close) = close else { return };
        if !(at..close).any(|position| self.is_word(position, "Serialize")) {
            return;
        }
        let end = (close + 20).min(self.tokens.len());
        let Some(keyword) = (close..end).find(|position| self.is_word(*position, "struct")) else {
            return;
        };
        if let Some(Token::Word(name)) = self.token(keyword + 1).cloned()
            && name.ends_with("View")
        {
            self.push(line, What::SerializedView(name));
        }
    }
}

/// Words and signs with their lines; comments, strings, characters, lifetimes and numbers are left out.
fn tokenize(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    while at < chars.len() {
        let c = chars[at];
        let next = peek(at + 1);
        let start = at;
        if c == '/' && next == '/' {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && next == '*' {
            let mut depth = 0;
            loop {
                if peek(at) == '/' && peek(at + 1) == '*' {
                    depth += 1;
                    at += 2;
                } else if peek(at) == '*' && peek(at + 1) == '/' {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        break;
                    }
                } else {
                    at += 1;
                }
                if at >= chars.len() {
                    break;
                }
            }
        } else if c == '"' {
            at = after_string(&chars, at);
        } else if c == '\'' {
            at = after_quote(&chars, at);
        } else if c.is_alphabetic() || c == '_' {
            while peek(at).is_alphanumeric() || peek(at) == '_' {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            let raw = ["r", "br", "cr"].contains(&word.as_str());
            if raw && (peek(at) == '"' || peek(at) == '#' && (peek(at + 1) == '"' || peek(at + 1) == '#')) {
                at = after_raw_string(&chars, at);
            } else if !(["b", "c"].contains(&word.as_str()) && peek(at) == '"') {
                tokens.push((line, Token::Word(word)));
            }
        } else if c.is_ascii_digit() {
            while peek(at).is_alphanumeric() || peek(at) == '_' {
                at += 1;
            }
        } else if c == ':' && next == ':' {
            tokens.push((line, Token::Path));
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push((line, Token::Sign(c)));
            }
            at += 1;
        }
        line += chars[start..at.min(chars.len())]
            .iter()
            .filter(|c| **c == '\n')
            .count();
    }
    tokens
}

fn after_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Behind `'x'`, `'\n'` or a lifetime.
fn after_quote(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        let close = (at + 3..chars.len()).find(|position| chars[*position] == '\'');
        return close.map_or(chars.len(), |position| position + 1);
    }
    if chars.get(at + 2) == Some(&'\'') {
        return at + 3;
    }
    at + 1
}

fn after_raw_string(chars: &[char], mut at: usize) -> usize {
    let mut hashes = 0;
    while chars.get(at) == Some(&'#') {
        hashes += 1;
        at += 1;
    }
    at += 1;
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}
