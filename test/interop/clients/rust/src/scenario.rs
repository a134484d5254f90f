//! The data of the scenarios, and how a program says what it saw, a line of JSON for each step.

use serde_json::Value;
use std::error::Error;
use std::time::{Duration, Instant};

pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
pub const LARGE: usize = 900 * 1024;
pub const T0: i64 = 1_700_000_000_000;

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Is told what a scenario saw.
pub struct Say<'a> {
    scenario: &'a str,
}

impl<'a> Say<'a> {
    pub fn new(scenario: &'a str) -> Self {
        Say { scenario }
    }

    pub fn step(&self, step: &str, mut details: Value) {
        details["scenario"] = self.scenario.into();
        details["step"] = step.into();
        println!("{details}");
    }
}

/// Waits until something holds, for 30 seconds. What it calls is expected to take a moment itself.
pub fn eventually(mut holds: impl FnMut() -> Outcome<bool>) -> Outcome {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if holds()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("waited 30 seconds".into())
}

/// Bytes as a scenario shows them: text, or the size of what is long.
pub fn shown(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| if bytes.len() > 1000 { format!("{} bytes", bytes.len()) } else { text(Some(bytes)) })
}

pub fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}
