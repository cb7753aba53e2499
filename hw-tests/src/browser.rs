//! A real browser: Debian's chromium, driven over WebDriver.

use crate::process::{Process, free_address, wait};
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    session: String,
    agent: ureq::Agent,
    _driver: Process,
}

impl Browser {
    /// Opens a window of this size in this language; `folder` holds the browser's profile and the driver's log.
    pub fn open(folder: &Path, (width, height): (u32, u32), language: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let port = free_address(0)?.port();
        let mut command = Command::new("chromedriver");
        let driver = Process::start(command.arg(format!("--port={port}")), &folder.join("chromedriver.log"))?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let base = format!("http://127.0.0.1:{port}");
        wait("chromedriver", || Ok(agent.get(format!("{base}/status")).call().ok()))?;
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--window-size={width},{height}"),
            &format!("--lang={language}"),
            &profile,
        ];
        let options =
            json!({ "args": args, "binary": "/usr/bin/chromium", "prefs": { "intl.accept_languages": language } });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let mut answer = agent.post(format!("{base}/session")).send(wanted.to_string())?;
        let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let id = answer["value"]["sessionId"].as_str().with_context(|| format!("no browser: {answer}"))?;
        Ok(Self { session: format!("{base}/session/{id}"), agent, _driver: driver })
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut answer = self.agent.post(format!("{}/{path}", self.session)).send(body.to_string())?;
        let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        anyhow::ensure!(answer["value"]["error"].is_null(), "{path}: {}", answer["value"]);
        Ok(answer["value"].clone())
    }

    /// Goes to a page.
    pub fn go(&self, url: &str) -> anyhow::Result<()> {
        self.post("url", &json!({ "url": url })).map(|_| ())
    }

    /// The text that a person reads in the first element with this `data-testid`; `None` if it is not shown.
    pub fn text(&self, id: &str) -> anyhow::Result<Option<String>> {
        let script = "const e = document.querySelector(`[data-testid='${arguments[0]}']`); return e && e.offsetParent !== null ? e.innerText : null;";
        let text = self.post("execute/sync", &json!({ "script": script, "args": [id] }))?;
        Ok(text.as_str().map(str::to_owned))
    }

    /// Waits until the element is shown with a text that contains `part`.
    pub fn wait_for(&self, id: &str, part: &str) -> anyhow::Result<String> {
        wait(&format!("{id} to show {part:?}"), || Ok(self.text(id)?.filter(|text| text.contains(part))))
            .with_context(|| format!("{id} shows {:?}", self.text(id).ok().flatten()))
    }

    /// Presses a key and lets it go.
    pub fn press(&self, key: &str) -> anyhow::Result<()> {
        let strokes = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] }))
            .map(|_| ())
    }

    /// Types a text.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        text.chars().try_for_each(|c| self.press(&c.to_string()))
    }

    /// Takes a picture of the window.
    pub fn picture(&self, file: &Path) -> anyhow::Result<()> {
        let mut answer = self.agent.get(format!("{}/screenshot", self.session)).call()?;
        let answer: Value = serde_json::from_str(&answer.body_mut().with_config().limit(64 << 20).read_to_string()?)?;
        let encoded = file.with_extension("base64");
        std::fs::write(&encoded, answer["value"].as_str().unwrap_or_default())?;
        let png = Command::new("base64").arg("-d").arg(&encoded).stderr(Stdio::inherit()).output()?;
        std::fs::remove_file(encoded)?;
        Ok(std::fs::write(file, png.stdout)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser itself; the driver ends with its handle.
        let _ = self.agent.delete(&self.session).call();
    }
}
