//! `ls --watch`: the list as it changes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use sandbox_sessions::{Session, SessionId};
use serde::Serialize;

use super::list::table;
use crate::api::Api;
use crate::arguments::List;
use crate::interrupt::Interrupts;
use crate::{output, sessions};

/// Looks again and again until a signal ends it.
pub(crate) async fn run(list: &List, api: &Api) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let looking = async {
        let mut view = View::new(list.json);
        loop {
            view.show(sessions::all(&api.client).await?)?;
            tokio::time::sleep(Duration::from_secs(list.interval)).await;
        }
    };
    tokio::select! {
        // It has no end but an error.
        outcome = looking => outcome,
        code = interrupts.next() => Ok(code),
    }
}

enum View {
    /// Redrawn each time.
    Screen,
    /// What has changed since the last time, as lines.
    Changes {
        json: bool,
        known: BTreeMap<SessionId, Session>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    Added,
    Changed,
    Removed,
}

#[derive(Serialize)]
struct Change<'a> {
    event: Event,
    session: &'a Session,
}

impl View {
    fn new(json: bool) -> Self {
        if io::stdout().is_terminal() && !json {
            Self::Screen
        } else {
            let known = BTreeMap::new();
            Self::Changes { json, known }
        }
    }

    fn show(&mut self, sessions: Vec<Session>) -> anyhow::Result<()> {
        match self {
            Self::Screen => draw(&sessions),
            Self::Changes { json, known } => {
                let now = sessions
                    .into_iter()
                    .map(|session| (session.id(), session))
                    .collect();
                for change in changes(known, &now) {
                    if *json {
                        output::json_line(&change)?;
                    } else {
                        output::line(&change.to_string())?;
                    }
                }
                *known = now;
                Ok(())
            }
        }
    }
}

/// As much as there is room for.
fn draw(sessions: &[Session]) -> anyhow::Result<()> {
    let mut lines = table(sessions);
    let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
    // The last row stays free, since a line break in it would scroll.
    let fit = rows.saturating_sub(1).max(2);
    if lines.len() > fit {
        let hidden = lines.len() - (fit - 1);
        lines.truncate(fit - 1);
        lines.push(format!("and {hidden} more"));
    }
    output::screen(&lines)
}

/// Activity alone is no change: it would be one at each look.
fn changes<'a>(
    before: &'a BTreeMap<SessionId, Session>,
    now: &'a BTreeMap<SessionId, Session>,
) -> Vec<Change<'a>> {
    let change = |event, session| Change { event, session };
    let gone = before.iter().filter(|(id, _)| !now.contains_key(id));
    let gone = gone.map(|(_, session)| change(Event::Removed, session));
    let here = now.iter().filter_map(|(id, session)| match before.get(id) {
        None => Some(change(Event::Added, session)),
        Some(old) if (old.status(), old.expires_at()) != (session.status(), session.expires_at()) => {
            Some(change(Event::Changed, session))
        }
        Some(_) => None,
    });
    gone.chain(here).collect()
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = match self.event {
            Event::Added => "added",
            Event::Changed => "changed",
            Event::Removed => "removed",
        };
        write!(f, "{event:8}{}  {}", self.session.id(), self.session.status())
    }
}
