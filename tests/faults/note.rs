//! What is sent and what must arrive: a note's bytes follow from its key and number, so that every sink can judge them.

/// The name of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    pub key: u32,
    pub number: u32,
}

/// What becomes of a note that is not an ordinary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Delivered to every sink.
    Plain,
    /// The mapping to the first sink refuses it; the second sink gets it.
    Refused,
    /// Cannot be read: the message is parked.
    Malformed,
}

impl Note {
    /// The sender's key, unique for the note.
    pub fn id(self) -> String {
        format!("note-{}-{}", self.key, self.number)
    }

    /// Keys from a million on have texts of as many characters as they are above it.
    fn text(self) -> String {
        let length = match self.key.checked_sub(1_000_000) {
            Some(length) => length as usize,
            None => 20 + (self.key.wrapping_mul(31).wrapping_add(self.number.wrapping_mul(17)) % 400) as usize,
        };
        let words = format!("Note {} of Key {} & more, Größe 数据 ", self.number, self.key);
        words.chars().cycle().take(length).collect()
    }

    /// The message.
    pub fn body(self, kind: Kind) -> String {
        let Self { key, number } = self;
        let text = self.text().replace('&', "&amp;");
        let refuse = if kind == Kind::Refused { "<Refuse/>" } else { "" };
        let end = if kind == Kind::Malformed { "</Nota>" } else { "</Note>" };
        format!("<Note><Key>k{key}</Key><Number>{number}</Number><Text>{text}</Text>{refuse}{end}")
    }

    /// The very bytes a sink must get.
    pub fn expected(self, target: &str) -> String {
        let Self { key, number } = self;
        if target == "books" {
            let text = self.text().to_uppercase().replace('&', "&amp;");
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Entry><key>k{key}</key><number>{number}</number>\
                 <text>{text}</text></Entry>"
            )
        } else {
            let text = self.text().to_lowercase();
            format!("{{\"Line\":{{\"key\":\"k{key}\",\"number\":\"{number}\",\"text\":\"{text}\"}}}}")
        }
    }

    /// The note that a sink got, by its text alone.
    pub fn of(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let between = |open: &str, close: &str| Some(text.split_once(open)?.1.split_once(close)?.0);
        let (key, number) = match between("<key>k", "<") {
            Some(key) => (key, between("<number>", "<")?),
            None => (between("\"key\":\"k", "\"")?, between("\"number\":\"", "\"")?),
        };
        Some(Self { key: key.parse().ok()?, number: number.parse().ok()? })
    }
}
